"""score: every row goes in once and comes out once, scored or rejected with a reason."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def score(component: Callable[[str], ModuleType]) -> ModuleType:
    return component("score")


@pytest.fixture(scope="module")
def model(models: dict[str, Path]) -> Any:
    import mlflow.pyfunc  # here, because its import warns, and warnings are errors while tests are collected

    return mlflow.pyfunc.load_model(str(models["train_lightgbm"]))


@pytest.fixture(scope="module")
def rows(parts: dict[str, Path]) -> pa.Table:
    return pq.read_table(parts["test"]).slice(0, 40)


def spoil(table: pa.Table, column: str, row: int, value: object) -> pa.Table:
    values = table[column].to_pylist()
    values[row] = value
    return table.set_column(table.schema.get_field_index(column), column, pa.array(values, table.schema.field(column).type))


SPOILT = st.sampled_from(
    [("flight_id", None), ("carrier", None), ("distance", None), ("temp", None), ("temp", float("inf")),
     ("visib", float("-inf")), ("wind_gust", float("nan"))]
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoilt=st.lists(st.tuples(st.integers(0, 39), SPOILT), max_size=12), batch_rows=st.sampled_from([1, 7, 40, 1000]))
def test_rows_in_are_predictions_plus_rejects(
    save: Callable[..., Path],
    score: ModuleType,
    model: Any,
    rows: pa.Table,
    tmp_path: Path,
    spoilt: list[tuple[int, tuple[str, object]]],
    batch_rows: int,
) -> None:
    table = rows.append_column("position", pa.array(range(40)))
    for row, (column, value) in spoilt:
        table = spoil(table, column, row, value)
    counts = score.score(
        model,
        ds.dataset(save(table, tmp_path / "data"), format="parquet"),
        tmp_path / "predictions",
        tmp_path / "rejects",
        version="3",
        identifier="flight_id",
        batch_rows=batch_rows,
    )
    predictions, rejects = pq.read_table(tmp_path / "predictions"), pq.read_table(tmp_path / "rejects")
    assert counts == {"rows": 40, "predictions": predictions.num_rows, "rejects": rejects.num_rows}
    assert predictions.num_rows + rejects.num_rows == 40

    bad = {
        row
        for row in range(40)
        if any(table[name][row].as_py() is None for name in ("flight_id", "carrier", "distance"))
        or any(np.isinf(table[name][row].as_py() or 0) for name in ("temp", "visib"))
    }
    assert set(rejects["position"].to_pylist()) == bad
    assert rejects["reason"].null_count == 0
    kept = table.filter(pc.invert(pc.is_in(table["position"], pa.array(sorted(bad), pa.int64()))))
    assert predictions["flight_id"].to_pylist() == kept["flight_id"].to_pylist()
    assert all(0 < value < 1 for value in predictions["probability"].to_pylist())


def test_the_batch_size_does_not_change_a_prediction(
    save: Callable[..., Path], score: ModuleType, model: Any, rows: pa.Table, tmp_path: Path
) -> None:
    data = ds.dataset(save(rows, tmp_path / "data"), format="parquet")
    results = []
    for size in (3, 1000):
        folders = tmp_path / f"p{size}", tmp_path / f"r{size}"
        score.score(model, data, *folders, version="1", identifier="flight_id", batch_rows=size)
        results.append(pq.read_table(folders[0]))
    assert results[0].equals(results[1])


def test_predictions_that_are_not_finite_are_rejected(
    save: Callable[..., Path], score: ModuleType, broken_model: Path, rows: pa.Table, tmp_path: Path
) -> None:
    data = ds.dataset(save(rows, tmp_path / "data"), format="parquet")
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(str(broken_model))
    score.score(loaded, data, tmp_path / "p", tmp_path / "r", version="1", identifier="flight_id", batch_rows=9)
    assert pq.read_table(tmp_path / "p").num_rows == 0
    assert set(pq.read_table(tmp_path / "r")["reason"].to_pylist()) == {"no finite prediction"}


def test_output_is_split_into_parts(
    save: Callable[..., Path], score: ModuleType, model: Any, rows: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "PART_ROWS", 10)
    data = ds.dataset(save(rows, tmp_path / "data"), format="parquet")
    score.score(model, data, tmp_path / "p", tmp_path / "r", version="1", identifier="flight_id", batch_rows=10)
    assert [path.name for path in sorted((tmp_path / "p").iterdir())] == [f"part-{n:05d}.parquet" for n in range(4)]


def test_the_script_scores_and_says_how_many(
    save: Callable[..., Path],
    step: Callable[..., subprocess.CompletedProcess[str]],
    models: dict[str, Path],
    rows: pa.Table,
    tmp_path: Path,
) -> None:
    data = save(spoil(rows, "dest", 4, None), tmp_path / "data")
    values = {"model": models["train_logistic"], "data": data, "model_version": "12"}
    outcome = step("score", values, {"predictions": tmp_path / "p", "rejects": tmp_path / "r"})
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout) == {"rows": 40, "predictions": 39, "rejects": 1}
    predictions = pq.read_table(tmp_path / "p")
    assert predictions.column_names == ["flight_id", "probability", "model_version"]
    assert set(predictions["model_version"].to_pylist()) == {"12"}
    assert pq.read_table(tmp_path / "r")["reason"].to_pylist() == ["no dest"]


def test_columns_that_do_not_fit_the_signature_are_listed_in_one_line(
    save: Callable[..., Path],
    step: Callable[..., subprocess.CompletedProcess[str]],
    models: dict[str, Path],
    rows: pa.Table,
    tmp_path: Path,
) -> None:
    wrong = rows.drop_columns(["carrier", "flight_id"])
    wrong = wrong.set_column(wrong.schema.get_field_index("distance"), "distance", pa.array(["far"] * 40))
    values = {"model": models["train_lightgbm"], "data": save(wrong, tmp_path / "data")}
    outcome = step("score", values, {"predictions": tmp_path / "p", "rejects": tmp_path / "r"})
    assert (outcome.returncode, outcome.stderr) == (
        1,
        (
            "score: the data does not fit the model's signature: the id column 'flight_id' is missing; "
            "'carrier' is missing (integer); 'distance' is string, the model needs integer\n"
        ),
    )


def test_no_data_is_refused(
    save: Callable[..., Path],
    score: ModuleType,
    models: dict[str, Path],
    rows: pa.Table,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "nothing").mkdir()
    save(rows.slice(0, 0), tmp_path / "empty")
    for folder, message in (("nothing", "holds no Parquet file"), ("empty", "has no rows")):
        words = [
            "score",
            "--model",
            str(models["train_lightgbm"]),
            "--data",
            str(tmp_path / folder),
            "--id-column",
            "x",
        ]
        words += ["--batch-rows", "5", "--predictions", str(tmp_path / "p"), "--rejects", str(tmp_path / "r")]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(score.InputError, match=message):
            score.main()
