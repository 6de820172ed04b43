"""The three trainers: probabilities, signatures, the same bytes again, and clear refusals."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TRAINERS = ("train_lightgbm", "train_hist_gradient_boosting", "train_logistic")
AGAIN = ("train_lightgbm-again", "train_hist_gradient_boosting-again")


@pytest.fixture(scope="module")
def test_rows(parts: dict[str, Path]) -> pd.DataFrame:
    return pd.read_parquet(parts["test"]).drop(columns=["flight_id", "scheduled_departure", "late"])


def late_probability(model: Path, rows: pd.DataFrame) -> np.ndarray:
    import mlflow.pyfunc  # here, because its import warns, and warnings are errors while tests are collected

    found = np.asarray(mlflow.pyfunc.load_model(str(model)).predict(rows))
    return found[:, 1] if found.ndim == 2 else found


@pytest.mark.parametrize("name", TRAINERS)
def test_a_model_predicts_probabilities_that_are_better_than_chance(
    name: str, models: dict[str, Path], parts: dict[str, Path], test_rows: pd.DataFrame
) -> None:
    from sklearn.metrics import roc_auc_score

    probability = late_probability(models[name], test_rows)
    assert ((probability > 0) & (probability < 1)).all()
    assert 0.6 < roc_auc_score(pd.read_parquet(parts["test"])["late"], probability) < 0.8


@pytest.mark.parametrize("name", TRAINERS)
def test_a_model_copes_with_unseen_categories_and_missing_weather(
    name: str, models: dict[str, Path], test_rows: pd.DataFrame
) -> None:
    rows = test_rows.head(5).copy()
    rows[["carrier", "origin", "dest"]] = np.int32(-1)
    rows.loc[:, rows.dtypes == "float64"] = np.nan
    assert np.isfinite(late_probability(models[name], rows)).all()


@pytest.mark.parametrize("name", TRAINERS)
def test_the_signature_is_that_of_the_features(name: str, models: dict[str, Path], test_rows: pd.DataFrame) -> None:
    import mlflow.pyfunc
    from mlflow.exceptions import MlflowException

    model = mlflow.pyfunc.load_model(str(models[name]))
    schema = model.metadata.get_input_schema()
    assert schema.input_names() == list(test_rows)
    whole = [column.name for column in schema.inputs if column.type.name == "integer" and column.required]
    real = [column.name for column in schema.inputs if column.type.name == "double" and not column.required]
    assert whole == list(test_rows.columns[test_rows.dtypes == "int32"])
    assert whole + real == list(test_rows)
    with pytest.raises(MlflowException, match="carrier"):
        model.predict(test_rows.head(2).drop(columns="carrier"))
    with pytest.raises(MlflowException, match="distance"):
        model.predict(test_rows.head(2).astype({"distance": str}))


@pytest.mark.parametrize("name", AGAIN)
def test_training_again_writes_the_same_bytes(name: str, models: dict[str, Path]) -> None:
    first, second = models[name.removesuffix("-again")], models[name]
    files = sorted(path.name for path in first.iterdir())
    assert files == sorted(path.name for path in second.iterdir())
    assert [f for f in files if (first / f).read_bytes() != (second / f).read_bytes()] == []


@pytest.mark.parametrize("name", TRAINERS)
def test_no_model_is_a_pickle(name: str, models: dict[str, Path]) -> None:
    assert not [path.name for path in models[name].rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib")]


def test_every_run_has_parameters_metrics_and_a_plot(models: dict[str, Path], tracking: str) -> None:
    from mlflow.tracking import MlflowClient

    assert models
    client = MlflowClient(tracking)
    runs = client.search_runs(["0"], filter_string="metrics.validation_roc_auc > 0")
    assert len(runs) >= len(TRAINERS)
    for run in runs:
        assert {"validation_roc_auc", "validation_log_loss", "validation_brier"} <= set(run.data.metrics)
        assert run.data.params
        assert any(item.path.endswith(".png") for item in client.list_artifacts(run.info.run_id))


def test_data_that_cannot_be_trained_on_is_refused(
    save: Callable[..., Path], component: Callable[[str], ModuleType], parts: dict[str, Path], tmp_path: Path
) -> None:
    script = component("train_lightgbm")  # as the others: they share what reads
    table = pq.read_table(parts["validation"])
    one_class = table.set_column(table.schema.get_field_index("late"), "late", pa.array([0] * table.num_rows, pa.int8()))
    (tmp_path / "nothing").mkdir()
    for folder, message in (
        (tmp_path / "nothing", "holds no Parquet file"),
        (save(table.drop_columns(["late"]), tmp_path / "lacking"), "has no column 'late'"),
        (save(table.slice(0, 0), tmp_path / "empty"), "its 0 rows have 0"),
        (save(one_class, tmp_path / "one"), "needs both classes of 'late'"),
        (save(table.drop_columns(["carrier"]), tmp_path / "fewer"), "have different columns"),
    ):
        with pytest.raises(script.InputError, match=message):
            script.both(folder, parts["validation"])


def test_a_refusal_is_one_line_and_exit_code_1(
    step: Callable[..., subprocess.CompletedProcess[str]], parts: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "nothing").mkdir()
    values = {"train": tmp_path / "nothing", "validation": parts["validation"]}
    outcome = step("train_lightgbm", values, {"model": tmp_path / "model"})
    assert outcome.returncode == 1
    assert outcome.stderr == f"train_lightgbm: {tmp_path / 'nothing'} holds no Parquet file\n"
