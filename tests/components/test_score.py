"""score: every row goes in once and comes out once, scored or rejected with a reason."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

AT = datetime(2026, 11, 26, tzinfo=timezone.utc)
Outcome = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def scoring(component: Callable[..., ModuleType]) -> ModuleType:
    return component("score", "scoring")


@pytest.fixture(scope="module")
def batches(scoring: ModuleType, component: Callable[..., ModuleType]) -> ModuleType:
    return component("score", "batches")


@pytest.fixture(scope="module")
def predictor(scoring: ModuleType, component: Callable[..., ModuleType]) -> ModuleType:
    return component("score", "predictor")


@pytest.fixture(scope="module")
def trees(predictor: ModuleType, models: dict[str, Path]) -> Any:
    return predictor.load(models["train_lightgbm"])


@pytest.fixture(scope="module")
def rows(parts: dict[str, Path]) -> pa.Table:
    return pq.read_table(parts["test"]).slice(0, 40)


def spoil(table: pa.Table, column: str, row: int, value: object) -> pa.Table:
    values = table[column].to_pylist()
    values[row] = value
    return table.set_column(table.schema.get_field_index(column), column, pa.array(values, table.schema.field(column).type))


def as_text(table: pa.Table, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pa.csv.write_csv(table, path)
    return path


SPOILT = st.sampled_from(
    [("flight_id", None), ("carrier", None), ("distance", None), ("temp", None), ("temp", float("inf")),
     ("visib", float("-inf")), ("wind_gust", float("nan"))]
)  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    spoilt=st.lists(st.tuples(st.integers(0, 39), SPOILT), max_size=12),
    batch_rows=st.sampled_from([1, 7, 40, 1000]),
    kind=st.sampled_from(["parquet", "csv"]),
    output=st.sampled_from(["parquet", "csv"]),
)
def test_rows_in_are_predictions_plus_rejects(
    save: Callable[..., Path],
    scoring: ModuleType,
    batches: ModuleType,
    trees: Any,
    rows: pa.Table,
    tmp_path: Path,
    spoilt: list[tuple[int, tuple[str, object]]],
    batch_rows: int,
    kind: str,
    output: str,
) -> None:
    table = rows.append_column("position", pa.array(range(40)))
    for row, (column, value) in spoilt:
        table = spoil(table, column, row, value)
    data = save(table, tmp_path / "data") if kind == "parquet" else as_text(table, tmp_path / "data.csv")
    job = scoring.Job(identifier="flight_id", version="3", time=AT, batch_rows=batch_rows, format=output)
    counts = scoring.score(batches.source(data), trees, job, tmp_path / "p", tmp_path / "r")

    def read(folder: Path) -> pa.Table:
        return pq.read_table(folder) if output == "parquet" else pa.csv.read_csv(next(folder.glob("*.csv")))

    predictions, rejects = read(tmp_path / "p"), read(tmp_path / "r")
    if output == "parquet":
        assert counts == {"rows": 40, "predictions": predictions.num_rows, "rejects": rejects.num_rows}
    assert counts["predictions"] + counts["rejects"] == 40

    bad = {
        row
        for row in range(40)
        if any(table[name][row].as_py() is None for name in ("flight_id", "carrier", "distance"))
        or any(np.isinf(table[name][row].as_py() or 0) for name in ("temp", "visib"))
    }
    assert {int(row) for row in rejects["position"].to_pylist()} == bad
    assert all(rejects["reason"].to_pylist())
    kept = table.filter(pc.invert(pc.is_in(table["position"], pa.array(sorted(bad), pa.int64()))))
    assert predictions["flight_id"].to_pylist() == kept["flight_id"].to_pylist()
    assert all(0 < value < 1 for value in predictions["probability"].to_pylist())
    assert not list((tmp_path / "p").glob("_*"))
    for path in [*(tmp_path / "p").iterdir(), *(tmp_path / "r").iterdir()]:
        path.unlink()


def scored(scoring: ModuleType, batches: ModuleType, model: Any, data: Path, work: Path, size: int = 1000) -> pa.Table:
    """The predictions of *data*, of which no row may be rejected."""
    job = scoring.Job(identifier="flight_id", version="1", time=AT, batch_rows=size)
    assert scoring.score(batches.source(data), model, job, work / "p", work / "r")["rejects"] == 0
    return pq.read_table(work / "p")


def test_neither_the_batch_size_nor_the_files_kind_changes_a_prediction(
    save: Callable[..., Path], scoring: ModuleType, batches: ModuleType, trees: Any, rows: pa.Table, tmp_path: Path
) -> None:
    data, text = save(rows, tmp_path / "data"), as_text(rows, tmp_path / "rows.csv")
    whole = scored(scoring, batches, trees, data, tmp_path / "whole")
    assert whole.equals(scored(scoring, batches, trees, data, tmp_path / "three", 3))
    assert whole.equals(scored(scoring, batches, trees, text, tmp_path / "text", 7))


@pytest.mark.parametrize("trainer", ["train_lightgbm", "train_hist_gradient_boosting", "train_logistic"])
def test_predictions_are_those_of_mlflow(
    save: Callable[..., Path],
    scoring: ModuleType,
    batches: ModuleType,
    predictor: ModuleType,
    models: dict[str, Path],
    rows: pa.Table,
    tmp_path: Path,
    trainer: str,
) -> None:
    import mlflow.pyfunc  # here, because its import warns, and warnings are errors while tests are collected

    found = scored(scoring, batches, predictor.load(models[trainer]), save(rows, tmp_path / "data"), tmp_path)
    frame = rows.drop_columns(["flight_id", "scheduled_departure", "late"]).to_pandas()
    expected = np.asarray(mlflow.pyfunc.load_model(str(models[trainer])).predict(frame))
    expected = expected[:, 1] if expected.ndim == 2 else expected
    np.testing.assert_array_equal(found["probability"].to_numpy(), expected)


def test_values_that_are_not_finite_are_rejected(
    save: Callable[..., Path],
    scoring: ModuleType,
    batches: ModuleType,
    predictor: ModuleType,
    broken_model: Path,
    rows: pa.Table,
    tmp_path: Path,
) -> None:
    job = scoring.Job(identifier="flight_id", version="1", time=AT, batch_rows=9)
    data = batches.source(save(rows, tmp_path / "data"))
    counts = scoring.score(data, predictor.load(broken_model), job, tmp_path / "p", tmp_path / "r")
    assert counts == {"rows": 40, "predictions": 0, "rejects": 40}
    assert pq.read_table(tmp_path / "p").num_rows == 0
    assert set(pq.read_table(tmp_path / "r")["reason"].to_pylist()) == {"no finite prediction"}


class Picky:
    """A model that raises an error when a batch has one of the *bad* values of ``distance``."""

    workers = 2

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad

    def predict(self, columns: dict[str, pa.Array]) -> Any:
        if self.bad & set(columns["distance"].to_pylist()):
            raise IndexError("a distance that nobody flies\nand more")
        return np.full(len(columns["distance"]), 0.5)


def test_a_row_at_which_the_model_fails_is_rejected_and_the_others_are_scored(
    save: Callable[..., Path], scoring: ModuleType, batches: ModuleType, trees: Any, rows: pa.Table, tmp_path: Path
) -> None:
    from dataclasses import replace

    table = spoil(spoil(rows, "distance", 11, 31), "distance", 29, 32)
    job = scoring.Job(identifier="flight_id", version="1", time=AT, batch_rows=25)
    data = batches.source(save(table, tmp_path / "data"))
    counts = scoring.score(data, replace(trees, predictor=Picky({31, 32})), job, tmp_path / "p", tmp_path / "r")
    assert counts == {"rows": 40, "predictions": 38, "rejects": 2}
    rejects = pq.read_table(tmp_path / "r")
    assert rejects["distance"].to_pylist() == [31, 32]
    assert set(rejects["reason"].to_pylist()) == {"the model cannot predict: a distance that nobody flies"}


def test_rows_at_which_the_model_fails_are_rejected_however_many_they_are(
    save: Callable[..., Path], scoring: ModuleType, batches: ModuleType, trees: Any, rows: pa.Table, tmp_path: Path
) -> None:
    from dataclasses import replace

    position = rows.schema.get_field_index("distance")
    many = pa.concat_tables([rows] * 20).set_column(position, "distance", pa.array(range(800), pa.int32()))
    job = scoring.Job(identifier="flight_id", version="1", time=AT, batch_rows=400)
    data = batches.source(save(many, tmp_path / "data"))
    every_fifth = replace(trees, predictor=Picky(set(range(2, 800, 5))))
    counts = scoring.score(data, every_fifth, job, tmp_path / "p", tmp_path / "r")
    assert counts == {"rows": 800, "predictions": 640, "rejects": 160}
    assert pq.read_table(tmp_path / "r")["distance"].to_pylist() == list(range(2, 800, 5))

    with pytest.raises(scoring.InputError, match=r"the model cannot predict: a distance that nobody flies$"):
        scoring.score(data, replace(trees, predictor=Picky(set(range(800)))), job, tmp_path / "p2", tmp_path / "r2")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (pd.DataFrame({"y": [0.25] * 40}), None),
        (np.full((40, 2), 0.25), None),
        (np.zeros((40, 3)), "the model returned shape (40, 3) for 40 rows; expected one number a row"),
        (np.zeros(39), "the model returned shape (39,) for 40 rows; expected one number a row"),
        (["late"] * 40, "the model returned no numbers, but 'late'; expected one number a row"),
    ],
    ids=["a frame of one column", "two classes", "three classes", "too few", "text"],
)
def test_a_model_of_any_kind_gives_one_number_a_row_or_is_refused(
    save: Callable[..., Path],
    scoring: ModuleType,
    batches: ModuleType,
    predictor: ModuleType,
    trees: Any,
    rows: pa.Table,
    tmp_path: Path,
    said: object,
    message: str | None,
) -> None:
    from dataclasses import replace

    model = replace(trees, predictor=predictor.Generic(SimpleNamespace(predict=lambda frame: said)))
    if message is None:
        data = save(rows, tmp_path / "data")
        assert set(scored(scoring, batches, model, data, tmp_path)["probability"].to_pylist()) == {0.25}
    else:
        with pytest.raises(scoring.InputError, match=re.escape(message)):
            scored(scoring, batches, model, save(rows, tmp_path / "data"), tmp_path)


def test_items_are_worked_at_by_several_and_come_out_in_order(scoring: ModuleType) -> None:
    met = threading.Barrier(3, timeout=120)  # passed only when three are there at once
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(9):
            read.append(number)
            yield number

    def work(number: int) -> int:
        met.wait()
        return number

    done = []
    for result in scoring.in_order(work, items(), 3):
        done.append(result)
        assert len(read) - len(done) <= 3  # no more than are worked at are in memory beside the one that is handed out
    assert done == list(range(9))

    def broken(number: int) -> int:
        raise ValueError(f"item {number}")

    with pytest.raises(ValueError, match="item 0"):
        list(scoring.in_order(broken, items(), 2))


def test_output_is_split_into_parts(
    save: Callable[..., Path],
    component: Callable[..., ModuleType],
    scoring: ModuleType,
    batches: ModuleType,
    trees: Any,
    rows: pa.Table,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(component("score", "parts"), "PART_ROWS", 10)
    scored(scoring, batches, trees, save(rows, tmp_path / "data"), tmp_path, 10)
    assert [path.name for path in sorted((tmp_path / "p").iterdir())] == [f"part-{n:05d}.parquet" for n in range(4)]


def test_an_attempt_that_breaks_off_shows_nothing_and_the_next_takes_the_place_of_all_before(
    save: Callable[..., Path],
    component: Callable[..., ModuleType],
    scoring: ModuleType,
    batches: ModuleType,
    trees: Any,
    rows: pa.Table,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(component("score", "parts"), "PART_ROWS", 10)
    data, found = save(rows, tmp_path / "data"), tmp_path / "p"
    half = pa.concat_tables([rows.slice(0, 25), rows.slice(25, 5).drop_columns("carrier")], promote_options="default")

    class BreaksOff(Exception):
        pass

    def broken(source: Any, size: int) -> Iterator[Any]:
        for number, batch in enumerate(batches.Source.batches(source, size)):
            if number == 3:
                raise BreaksOff
            yield batch

    source = SimpleNamespace(schema=rows.schema, textual=False, batches=lambda size: broken(batches.source(data), size))
    job = scoring.Job(identifier="flight_id", version="1", time=AT, batch_rows=10)
    with pytest.raises(BreaksOff):
        scoring.score(source, trees, job, found, tmp_path / "r")
    assert list(found.iterdir())
    assert pq.read_table(found, schema=pa.schema([])).num_rows == 0

    for table, parts in ((rows, 4), (half, 3), (rows.slice(0, 10), 1)):
        scoring.score(batches.source(save(table, tmp_path / "data")), trees, job, found, tmp_path / "r")
        assert sorted(path.name for path in found.iterdir()) == [f"part-{number:05d}.parquet" for number in range(parts)]
        assert pq.read_table(found).num_rows + pq.read_table(tmp_path / "r").num_rows == table.num_rows


def test_rejects_that_csv_has_no_words_for_are_written_as_text(
    save: Callable[..., Path], scoring: ModuleType, batches: ModuleType, trees: Any, rows: pa.Table, tmp_path: Path
) -> None:
    table = spoil(rows, "carrier", 0, None)
    for name, one in (("list", [1, None]), ("struct", {"a": "é"}), ("bytes", b"\xff\x00"), ("none", None)):
        table = table.append_column(name, pa.array([one] * 40))
    data = save(table.append_column("words", pa.array(["w"] * 40).dictionary_encode()), tmp_path / "data")
    job = scoring.Job(identifier="flight_id", version="1", time=AT, batch_rows=9, format="csv")
    scoring.score(batches.source(data), trees, job, tmp_path / "p", tmp_path / "r")
    [row] = pa.csv.read_csv(tmp_path / "r" / "rejects.csv").select(["list", "struct", "bytes", "none", "words"]).to_pylist()
    assert row == {"list": "[1, null]", "struct": '{"a": "é"}', "bytes": "ff00", "none": None, "words": "w"}


def test_the_script_scores_and_says_how_many(
    save: Callable[..., Path], step: Callable[..., Outcome], models: dict[str, Path], rows: pa.Table, tmp_path: Path
) -> None:
    data = save(spoil(rows, "dest", 4, None), tmp_path / "data")
    values = {"model": models["train_logistic"], "data": data, "model_version": "12"}
    before = datetime.now(timezone.utc)
    outcome = step("score", values, {"predictions": tmp_path / "p", "rejects": tmp_path / "r"})
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout) == {"rows": 40, "predictions": 39, "rejects": 1}
    assert "score: the model does not use scheduled_departure, late\n" in outcome.stderr
    predictions = pq.read_table(tmp_path / "p")
    assert predictions.column_names == ["flight_id", "probability", "model_version", "scored_at"]
    assert set(predictions["model_version"].to_pylist()) == {"12"}
    [at] = set(predictions["scored_at"].to_pylist())
    assert before <= at <= datetime.now(timezone.utc)
    assert pq.read_table(tmp_path / "r")["reason"].to_pylist() == ["no dest"]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_data_without_a_row_is_refused(
    save: Callable[..., Path], component: Callable[..., ModuleType], models: dict[str, Path], rows: pa.Table,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str,
) -> None:  # fmt: skip
    none = rows.slice(0, 0)
    data = save(none, tmp_path / "data") if kind == "parquet" else as_text(none, tmp_path / "data" / "a.csv")
    values = {"model": models["train_lightgbm"], "data": data, "id-column": "flight_id", "batch-rows": 9,
              "prediction-column": "probability", "format": kind, "predictions": tmp_path / "p",
              "rejects": tmp_path / "r"}  # fmt: skip
    monkeypatch.setattr("sys.argv", ["score", *(word for name, value in values.items() for word in (f"--{name}", str(value)))])
    script = component("score")
    with pytest.raises(script.InputError, match=r"data.* has no rows"):
        script.main()


def test_columns_that_do_not_fit_the_signature_are_listed_in_one_line_and_nothing_is_written(
    save: Callable[..., Path], step: Callable[..., Outcome], models: dict[str, Path], rows: pa.Table, tmp_path: Path
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
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_predictions_are_called_as_is_wanted(
    save: Callable[..., Path], step: Callable[..., Outcome], models: dict[str, Path], rows: pa.Table, tmp_path: Path, kind: str
) -> None:
    values = {"model": models["train_lightgbm"], "data": save(rows, tmp_path / "data"), "format": kind}
    step("score", {**values, "prediction_column": "chance of delay"}, {"predictions": tmp_path / "p", "rejects": tmp_path / "r"})
    found = ds.dataset(tmp_path / "p", format=kind).to_table()
    assert found.column_names == ["flight_id", "chance of delay", "model_version", "scored_at"]


@pytest.mark.parametrize("name", ["", "flight_id", "scored_at"])
def test_predictions_are_not_called_as_what_stands_beside_them(
    scoring: ModuleType, trees: Any, batches: ModuleType, save: Callable[..., Path], rows: pa.Table, tmp_path: Path, name: str
) -> None:
    job = scoring.Job(identifier="flight_id", version="1", time=AT, batch_rows=9, prediction=name)
    with pytest.raises(scoring.InputError, match="cannot be called"):
        scoring.score(batches.source(save(rows, tmp_path / "data")), trees, job, tmp_path / "p", tmp_path / "r")
    assert not (tmp_path / "p").exists()


def test_no_version_means_the_id_of_the_model(predictor: ModuleType, models: dict[str, Path], trees: Any) -> None:
    assert f"model_uuid: {trees.identity}\n" in (models["train_lightgbm"] / "MLmodel").read_text()


def test_what_is_no_model_is_refused_in_one_line(predictor: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(predictor.InputError, match="is not an MLflow model"):
        predictor.load(tmp_path)
