"""The rows of Parquet files that fall into a window of time, as an MLTable."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from batches import Source, source
from columns import InputError
from parts import Parts

BATCH = 65_536
TABLE = "type: mltable\npaths:\n  - pattern: ./*.parquet\ntransformations:\n  - read_parquet\n"


def instant(text: str) -> datetime:
    """A time as ISO 8601 has it, ``Z`` and parts of seconds included; UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError as error:
        raise InputError(f"{text!r} is not a time like 2026-11-01T04:30:00.000Z") from error
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def timed_by(schema: pa.Schema, candidates: list[str]) -> str:
    """The first of the *candidates* that is a column of times."""
    for name in candidates:
        if name in schema.names and (pa.types.is_timestamp(kind := schema.field(name).type) or pa.types.is_date(kind)):
            return name
    raise InputError(f"the data has no time in any of {', '.join(candidates)}; its columns are {', '.join(schema.names)}")


def within(batch: pa.Table, name: str, start: datetime, end: datetime) -> pa.Table:
    """The rows of which the time is at *start* or later, and before *end*; times without a zone are UTC."""
    times = batch[name].cast(pa.timestamp("us", tz="UTC"), safe=False)
    kept = pc.and_(pc.greater_equal(times, pa.scalar(start, times.type)), pc.less(times, pa.scalar(end, times.type)))
    return batch.filter(kept)


def cut(data: Source, name: str, start: datetime, end: datetime, table: Path) -> int:
    """Write the rows of the window as Parquet with an MLTable beside it; how many they are."""
    parts = Parts(table, data.schema.remove_metadata())
    for batch, _ in data.batches(BATCH):
        parts.write(within(batch, name, start, end))
    parts.close()
    (table / "MLTable").write_text(TABLE, encoding="utf-8")
    return parts.rows


def main() -> None:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", required=True)
    parser.add_argument("--end", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--time-columns", required=True)
    parser.add_argument("--table", type=Path, required=True)
    args = parser.parse_args()

    start, end = instant(args.start), instant(args.end)
    if start >= end:
        raise InputError(f"the window ends at {args.end}, not after its start {args.start}")
    data = source(args.data)
    if data.textual:
        raise InputError(f"{args.data} holds text files, which have no times; it needs Parquet")
    name = timed_by(data.schema, [one.strip() for one in args.time_columns.split(",") if one.strip()])
    rows = cut(data, name, start, end, args.table)
    if not rows:
        raise InputError(f"no row has its {name} between {args.start} and {args.end}")
    print(f"{rows:,} of {data.rows:,} rows, by {name}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"monitor_window: {error}")
