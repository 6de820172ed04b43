"""Raw flights and weather to the features that a model was trained on, for flights of which nobody knows how they will end."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prep import SCHEDULE, InputError, features, in_order, observations, read, required, save


def prepared(flights: pa.Table, weather: pd.DataFrame) -> tuple[pd.DataFrame, pa.Table]:
    """What is known about each flight before it leaves, and the rows that say too little or repeat a flight.

    Returns:
        The features as `prep.features` makes them of all other rows; and those rows with their ``row``, from 0 in the order
        of *flights*, and the ``reason``.
    """
    reasons = pa.nulls(flights.num_rows, pa.string())
    for name in required(SCHEDULE):
        reasons = pc.coalesce(reasons, pc.if_else(flights[name].combine_chunks().is_null(), f"no {name}", None))
    rows = np.flatnonzero(reasons.is_null())
    if not len(rows):
        raise InputError(f"flights.parquet has no row that can be prepared: {', '.join(reasons.unique().to_pylist())}")
    kept = flights.take(pa.array(rows)).to_pandas()
    table = features(kept, weather)
    repeated = table["flight_id"].duplicated().to_numpy()
    if repeated.any():
        again = np.zeros(flights.num_rows, "bool")
        again[rows[repeated]] = True
        reasons = pc.if_else(pa.array(again), "the same flight as in a row before", reasons)
        table = features(kept[~repeated].reset_index(drop=True), weather)  # anew: a feature counts flights
    set_aside = flights.append_column("row", pa.array(range(flights.num_rows))).append_column("reason", reasons)
    return in_order(table), set_aside.filter(pc.is_valid(reasons))


def main() -> None:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    args = parser.parse_args()

    table, rejects = prepared(read(args.raw / "flights.parquet", SCHEDULE), observations(args.raw))
    save(table, args.features)
    args.rejects.mkdir(parents=True, exist_ok=True)
    pq.write_table(rejects, args.rejects / "part-00000.parquet", compression="zstd")
    print(f"{len(table):,} flights, {rejects.num_rows:,} rows set aside")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"prep_score: {error}")
