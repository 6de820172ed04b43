"""The shipped data is what its README says and what rebuild.py makes."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DATA = Path(__file__).parents[1] / "data"
ROWS = {"flights": 336_776, "weather": 26_115}
HASHES = {
    "flights": "1ed80d8bf889299fa9f34e64b98edd6035f9ec7ee76c9befe4cd5136d02897a9",
    "weather": "15c59261176494f6386114329a01640782f5fb9c298cb3415e38607b6f18e839",
}


@pytest.mark.parametrize("name", ROWS)
def test_the_shipped_files_have_the_published_rows_and_bytes(name: str) -> None:
    path = DATA / "flights" / f"{name}.parquet"
    assert pq.read_metadata(path).num_rows == ROWS[name]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == HASHES[name]


def test_the_shipped_files_are_small() -> None:
    assert sum(path.stat().st_size for path in (DATA / "flights").iterdir()) < 6_000_000


def test_flights_that_never_arrived_have_no_arrival_delay() -> None:
    assert pq.read_table(DATA / "flights" / "flights.parquet")["arr_delay"].null_count == 9_430


def test_rebuilding_gives_the_shipped_tables(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(DATA / "rebuild.py"), str(tmp_path)], check=True, timeout=60)
    for name in ROWS:
        rebuilt, shipped = tmp_path / f"{name}.parquet", DATA / "flights" / f"{name}.parquet"
        assert pq.read_table(rebuilt).equals(pq.read_table(shipped))
        if pq.read_metadata(shipped).created_by == f"parquet-cpp-arrow version {pa.__version__}":
            assert rebuilt.read_bytes() == shipped.read_bytes()
