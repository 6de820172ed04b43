"""prep_score: what prep makes for training, without an outcome, for every flight."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
LATER = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The component's code with what it includes, as Azure ML lays it out."""
    folder = tmp_path_factory.mktemp("prep_score")
    shutil.copy(ROOT / "components" / "prep_score" / "src" / "prep_score.py", folder)
    shutil.copy(ROOT / "components" / "prep" / "src" / "prep.py", folder)
    return folder


def run(snapshot: Path, raw: Path, features: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "prep_score.py", "--raw", str(raw), "--features", str(features)]
    return subprocess.run(words, cwd=snapshot, capture_output=True, text=True)


def test_features_for_scoring_are_those_of_training_though_nothing_later_is_known(
    save: Callable[..., Path], snapshot: Path, raw: Path, parts: dict[str, Path], arrived: int, tmp_path: Path
) -> None:
    flights = pq.read_table(raw / "flights.parquet")
    before = save(flights.drop_columns(LATER), tmp_path / "raw", "flights.parquet")
    shutil.copy(raw / "weather.parquet", before)
    outcome = run(snapshot, before, tmp_path / "features")
    assert (outcome.returncode, outcome.stdout) == (0, f"{flights.num_rows:,} flights\n"), outcome.stderr

    found = pd.read_parquet(tmp_path / "features")
    trained = pd.concat([pd.read_parquet(parts[name]) for name in ("train", "validation", "test")])
    assert len(found) == flights.num_rows > len(trained) == arrived
    same = found[found["flight_id"].isin(trained["flight_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, trained.drop(columns="late").reset_index(drop=True), check_exact=True)


def test_wrong_inputs_are_named_in_one_line(save: Callable[..., Path], snapshot: Path, raw: Path, tmp_path: Path) -> None:
    flights = pq.read_table(raw / "flights.parquet")
    lacking = save(flights.drop_columns(["carrier"]), tmp_path / "lacking", "flights.parquet")
    outcome = run(snapshot, lacking, tmp_path / "features")
    assert (outcome.returncode, outcome.stderr) == (1, "prep_score: flights.parquet lacks the column carrier\n")
