"""monitor_window: the rows of a window, as the table that Azure ML's monitoring reads."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

HOURS = [datetime(2026, 11, day, hour, tzinfo=timezone.utc) for day in (1, 2, 3) for hour in (0, 12)]


@pytest.fixture(scope="module")
def window(component: Callable[..., ModuleType]) -> ModuleType:
    for name in ("columns", "batches", "parts"):
        component("score", name)
    return component("monitor_window")


@pytest.fixture
def cut(window: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``cut(data, start, end)`` runs the script; the table that it wrote."""

    def run(data: Path, start: str, end: str, columns: str = "scored_at,scheduled_departure") -> Path:
        given = {"start": start, "end": end, "data": data, "time-columns": columns, "table": tmp_path / "table"}
        monkeypatch.setattr(sys, "argv", ["x", *(word for name, value in given.items() for word in (f"--{name}", str(value)))])
        window.main()
        return tmp_path / "table"

    return run


@pytest.mark.parametrize("kind", [pa.timestamp("ns", tz="UTC"), pa.timestamp("ms", tz="America/New_York"), pa.timestamp("s")])
def test_the_start_is_part_of_the_window_and_the_end_is_not(
    cut: Callable[..., Path], window: ModuleType, save: Callable[..., Path], tmp_path: Path, kind: pa.DataType,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(window, "BATCH", 2)
    times = pa.array(HOURS, pa.timestamp("us", tz="UTC")).cast(kind)
    data = save(pa.table({"row": range(6), "scored_at": times}), tmp_path / "data")
    table = cut(data, "2026-11-01T12:00:00.000Z", "2026-11-02T13:00:00.000+01:00")
    assert pq.read_table(table / "part-00000.parquet")["row"].to_pylist() == [1, 2]
    assert yaml.safe_load((table / "MLTable").read_text())["transformations"] == ["read_parquet"]
    assert capsys.readouterr().out == "2 of 6 rows, by scored_at\n"


def test_rows_without_a_time_are_in_no_window_and_dates_are_their_first_instant(
    cut: Callable[..., Path], save: Callable[..., Path], tmp_path: Path
) -> None:
    days = pa.array([date(2026, 11, 1), None, date(2026, 11, 2)])
    data = save(pa.table({"row": range(3), "scheduled_departure": days}), tmp_path / "data")
    assert pq.read_table(cut(data, "2026-11-01", "2026-11-02") / "part-00000.parquet")["row"].to_pylist() == [0]


def test_the_table_is_read_again_as_an_mltable(
    cut: Callable[..., Path], component: Callable[..., ModuleType], parts: dict[str, Path]
) -> None:
    table = cut(parts["train"], "2013-03-01T00:00:00Z", "2013-04-01T00:00:00Z")
    source = component("score", "batches").source(table)
    assert 0 < source.rows < pq.read_table(parts["train"]).num_rows
    assert source.schema.names == pq.read_schema(next(parts["train"].iterdir())).names


@pytest.mark.parametrize(
    ("start", "end", "columns", "message"),
    [
        ("yesterday", "2026-11-02", "scored_at", "'yesterday' is not a time like 2026-11-01T04:30:00.000Z"),
        ("2026-11-02", "2026-11-02", "scored_at", "the window ends at 2026-11-02, not after its start 2026-11-02"),
        ("2027-01-01", "2027-02-01", "scored_at", "no row has its scored_at between 2027-01-01 and 2027-02-01"),
        ("2026-11-01", "2026-11-02", "at,row", "the data has no time in any of at, row; its columns are row, scored_at"),
    ],
)
def test_wrong_windows_and_data_are_told_in_one_line(
    cut: Callable[..., Path], window: ModuleType, save: Callable[..., Path], tmp_path: Path,
    start: str, end: str, columns: str, message: str,
) -> None:  # fmt: skip
    data = save(pa.table({"row": range(6), "scored_at": HOURS}), tmp_path / "data")
    with pytest.raises(window.InputError, match=re.escape(message)):
        cut(data, start, end, columns)


ROOT = Path(__file__).parents[2]


def test_what_the_monitor_names_is_registered_here_or_said_to_be_made() -> None:
    """A monitor whose assets nobody makes is refused only when Azure ML creates it."""
    named = set(re.findall(r"azureml:([\w-]+)[:@]", (ROOT / "schedules" / "monitor.yml").read_text()))
    registered = {output["name"] for file in (ROOT / "pipelines").glob("*.yml")
                  for output in (yaml.safe_load(file.read_text()).get("outputs") or {}).values() if "name" in output}
    components = {yaml.safe_load(file.read_text())["name"] for file in (ROOT / "components").glob("*/component.yml")}
    told = (ROOT / "docs" / "monitoring.md").read_text()
    by_hand = named - registered - components
    assert by_hand == {"flights-scored", "flights-predictions"}
    assert all(f"`{name}`" in told for name in by_hand)
    assert {"flights", "flights-train"} <= registered
    assert "mlops components register components/monitor_window/component.yml" in told
