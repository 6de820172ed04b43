"""score_parallel: every row of every file comes out once, and a second attempt replaces the first."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def worker(
    component: Callable[..., ModuleType], models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """The entry script after init(), with what Azure ML adds to its arguments."""
    component("score", "scoring")
    module = component("score", "score_parallel")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    values = {"model": models["train_lightgbm"], "id-column": "flight_id", "prediction-column": "probability", "batch-rows": 7, "worker-rows": 0,
              "predictions": tmp_path / "p", "rejects": tmp_path / "r", "added-by-azure": 1}  # fmt: skip
    monkeypatch.setattr("sys.argv", ["driver", *(word for name, value in values.items() for word in (f"--{name}", str(value)))])
    module.init()
    return module


def test_each_file_has_a_line_and_its_rows_are_those_of_one_process_after_a_second_attempt_too(
    worker: ModuleType,
    component: Callable[..., ModuleType],
    save: Callable[..., Path],
    parts: dict[str, Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    rows = pq.read_table(parts["test"]).slice(0, 20)
    spoilt = rows.set_column(2, "carrier", pa.array([None, *rows["carrier"].to_pylist()[1:]], pa.int32()))
    save(spoilt, tmp_path / "a", "x.parquet")
    save(rows, tmp_path / "b", "x.parquet")
    (tmp_path / "notes.txt").touch()
    files = [str(tmp_path / name) for name in ("a/x.parquet", "b/x.parquet", "notes.txt")]
    for _ in range(2):
        lines = worker.run(files, SimpleNamespace(minibatch_index=3))
    assert [json.loads(line) for line in lines] == [
        {"file": "x.parquet", "rows": 20, "predictions": 19, "rejects": 1},
        {"file": "x.parquet", "rows": 20, "predictions": 20, "rejects": 0},
        {"file": "notes.txt", "rows": 0, "predictions": 0, "rejects": 0},
    ]
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["3-0-00000.parquet", "3-1-00000.parquet"]
    streamed = component("score", "batches").source(save(rows, save(spoilt, tmp_path / "all", "a.parquet"), "b.parquet"))
    job = component("score", "scoring").Job(
        identifier="flight_id", version=worker.worker.model.identity, time=datetime.now(timezone.utc), batch_rows=9
    )
    component("score", "scoring").score(streamed, worker.worker.model, job, tmp_path / "sp", tmp_path / "sr")
    for ours, theirs in (("p", "sp"), ("r", "sr")):
        tables = [pq.read_table(tmp_path / folder) for folder in (ours, theirs)]
        found, expected = (table.select([name for name in table.column_names if name != "scored_at"]) for table in tables)
        assert found.equals(expected)
    worker.shutdown()
    assert "score_parallel: 80 rows" in capfd.readouterr().err


def test_a_file_that_does_not_fit_fails_its_mini_batch(worker: ModuleType, save: Callable[..., Path], tmp_path: Path) -> None:
    save(pa.table({"flight_id": ["a"]}), tmp_path / "a")
    with pytest.raises(Exception, match="the data does not fit the model's signature"):
        worker.run([str(tmp_path / "a" / "part-00000.parquet")], SimpleNamespace(minibatch_index=0))


def test_no_failed_file_is_passed_over() -> None:
    spec = yaml.safe_load((ROOT / "components" / "score_parallel" / "component.yml").read_text())
    assert (spec["mini_batch_error_threshold"], spec["error_threshold"]) == (0, 0)
    assert "tags" not in spec


def test_clusters_score_with_the_versions_of_the_flights_environment_where_azure_admits_them() -> None:
    def pins(name: str) -> dict[str, str]:
        conda = yaml.safe_load((ROOT / "environments" / name / "conda.yml").read_text())
        listed = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
        return dict(pin.split("==") for pin in listed)

    ours, flights = pins("flights_parallel"), pins("flights")
    assert {name for name in ours.keys() & flights.keys() if ours[name] != flights[name]} == {"numpy", "pyarrow"}
    assert flights.keys() - ours.keys() == {"matplotlib"}
    assert {name for name in ours if name.startswith("azureml-")} == {
        "azureml-core", "azureml-dataset-runtime[fuse]", "azureml-mlflow", "azureml-telemetry"
    }  # fmt: skip
