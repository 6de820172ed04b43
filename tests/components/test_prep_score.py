"""prep_score: what prep makes for training, without an outcome, for every flight."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
LATER = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The component's code with what it includes, as Azure ML lays it out."""
    folder = tmp_path_factory.mktemp("prep_score")
    shutil.copy(ROOT / "components" / "prep_score" / "src" / "prep_score.py", folder)
    shutil.copy(ROOT / "components" / "prep" / "src" / "prep.py", folder)
    return folder


def run(snapshot: Path, raw: Path, work: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "prep_score.py", "--raw", str(raw), "--features", str(work / "features"),
             "--rejects", str(work / "rejects")]  # fmt: skip
    return subprocess.run(words, cwd=snapshot, capture_output=True, text=True)


def test_features_for_scoring_are_those_of_training_though_nothing_later_is_known(
    save: Callable[..., Path], snapshot: Path, raw: Path, parts: dict[str, Path], arrived: int, tmp_path: Path
) -> None:
    flights = pq.read_table(raw / "flights.parquet")
    before = save(flights.drop_columns(LATER), tmp_path / "raw", "flights.parquet")
    shutil.copy(raw / "weather.parquet", before)
    outcome = run(snapshot, before, tmp_path)
    assert (outcome.returncode, outcome.stdout) == (0, f"{flights.num_rows:,} flights, 0 rows set aside\n"), outcome.stderr

    found = pd.read_parquet(tmp_path / "features")
    trained = pd.concat([pd.read_parquet(parts[name]) for name in ("train", "validation", "test")])
    assert len(found) == flights.num_rows > len(trained) == arrived
    same = found[found["flight_id"].isin(trained["flight_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, trained.drop(columns="late").reset_index(drop=True), check_exact=True)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(range(60)),
    gaps=st.lists(
        st.tuples(st.integers(0, 59), st.sampled_from(["time_hour", "sched_dep_time", "carrier", "flight", "dest"])), max_size=9
    ),
    again=st.lists(st.integers(0, 59), max_size=3),
)
def test_every_raw_row_is_prepared_as_training_prepares_it_or_set_aside(
    component: Callable[..., ModuleType], raw: Path, order: list[int], gaps: list[tuple[int, str]], again: list[int]
) -> None:
    prep, prep_score = component("prep"), component("prep_score")
    weather = prep.observations(raw)
    flights = prep.read(raw / "flights.parquet", prep.SCHEDULE).slice(500, 60).take([*order, *again])
    for row, name in gaps:
        field = flights.schema.field(name)
        values = [None if place == row else value for place, value in enumerate(flights[name].to_pylist())]
        flights = flights.set_column(flights.schema.get_field_index(name), field, pa.array(values, field.type))
    found, rejects = prep_score.prepared(flights, weather)

    lacking = {row for row, _ in gaps}
    kept = [row for row in range(60 + len(again)) if row not in lacking]
    first = {tuple(flights.slice(row, 1).to_pylist()[0].values()): row for row in reversed(kept)}
    trained = prep.in_order(prep.features(flights.take(sorted(first.values())).to_pandas(), weather))
    pd.testing.assert_frame_equal(found, trained, check_exact=True)
    assert rejects["row"].to_pylist() == sorted(set(range(60 + len(again))) - set(first.values()))
    assert rejects.drop_columns(["row", "reason"]).equals(flights.take(rejects["row"]))
    told = dict(zip(rejects["row"].to_pylist(), rejects["reason"].to_pylist(), strict=True))
    assert all(told[row] in {f"no {name}" for place, name in gaps if place == row} for row in lacking)
    assert {told[row] for row in told.keys() - lacking} <= {"the same flight as in a row before"}


def test_wrong_inputs_are_named_in_one_line(save: Callable[..., Path], snapshot: Path, raw: Path, tmp_path: Path) -> None:
    flights = pq.read_table(raw / "flights.parquet")
    lacking = save(flights.drop_columns(["carrier"]), tmp_path / "lacking", "flights.parquet")
    outcome = run(snapshot, lacking, tmp_path)
    assert (outcome.returncode, outcome.stderr) == (1, "prep_score: flights.parquet lacks the column carrier\n")


def test_flights_of_which_none_can_be_prepared_are_refused(component: Callable[..., ModuleType], raw: Path) -> None:
    prep, prep_score = component("prep"), component("prep_score")
    flights = prep.read(raw / "flights.parquet", prep.SCHEDULE)
    nobody = pa.nulls(flights.num_rows, pa.string())
    flights = flights.set_column(flights.schema.get_field_index("carrier"), "carrier", nobody)
    with pytest.raises(prep_score.InputError, match=r"^flights\.parquet has no row that can be prepared: no carrier$"):
        prep_score.prepared(flights, prep.observations(raw))
