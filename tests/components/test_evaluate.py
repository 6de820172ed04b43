"""evaluate: the best candidate wins, a tie keeps the first, what is not finite never wins."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TRAINERS = ("train_lightgbm", "train_hist_gradient_boosting", "train_logistic")


@pytest.fixture(scope="module")
def evaluate(component: Callable[[str], ModuleType]) -> ModuleType:
    return component("evaluate")


def named(**metrics: float) -> dict[str, dict[str, Any]]:
    return {name: {"log_loss": value, "roc_auc": value} for name, value in metrics.items()}


def test_the_best_candidate_is_chosen_in_the_direction_of_the_metric(evaluate: ModuleType) -> None:
    assert evaluate.choose(named(a=0.5, b=0.4, c=0.6), "log_loss") == "b"
    assert evaluate.choose(named(a=0.5, b=0.4, c=0.6), "roc_auc") == "c"


def test_a_tie_keeps_the_first(evaluate: ModuleType) -> None:
    assert evaluate.choose(named(z=0.4, a=0.4), "log_loss") == "z"
    assert evaluate.choose(named(z=0.4, a=0.4), "roc_auc") == "z"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_never_wins(evaluate: ModuleType, value: float) -> None:
    for metric in ("log_loss", "roc_auc"):
        assert evaluate.choose(named(a=value, b=0.9), metric) == "b"
        with pytest.raises(evaluate.InputError, match="no candidate has a finite"):
            evaluate.choose(named(a=value), metric)


def test_predictions_outside_0_and_1_have_no_metrics(evaluate: ModuleType) -> None:
    for wrong in (1.2, -0.1, math.nan, math.inf):
        assert math.isnan(evaluate.measure(np.array([0, 1]), np.array([0.5, wrong]), 0.5)["metrics"]["log_loss"])


@pytest.mark.parametrize(
    ("count", "names", "message"),
    [
        (2, "a", "2 models were given but 1 names"),
        (2, "a,a", "the same name"),
        (1, "champion", "not a name for a candidate: 'champion'"),
        (1, "<b>", "not a name for a candidate"),
    ],
)
def test_wrong_names_are_refused(evaluate: ModuleType, count: int, names: str, message: str) -> None:
    with pytest.raises(evaluate.InputError, match=message):
        evaluate.named([Path("x")] * count, names)


def test_test_data_that_cannot_be_used_is_refused(
    save: Callable[..., Path], evaluate: ModuleType, parts: dict[str, Path], tmp_path: Path
) -> None:
    table = pq.read_table(parts["test"])
    (tmp_path / "nothing").mkdir()
    for folder, message in (
        (tmp_path / "nothing", "holds no Parquet file"),
        (save(table.slice(0, 0), tmp_path / "empty"), "needs both classes"),
        (
            save(table.drop_columns(["late", "flight_id"]), tmp_path / "lacking"),
            "no column late and no column flight_id",
        ),
        (parts["test"], "no column airline"),
    ):
        with pytest.raises(evaluate.InputError, match=message):
            evaluate.read(folder, "late", "flight_id", ["airline"] if folder == parts["test"] else ())


def test_equal_digests_are_equal_rows(save: Callable[..., Path], evaluate: ModuleType, tmp_path: Path) -> None:
    table = pa.table({"late": [0, 1], "flight_id": ["a", "b"]})
    folder = save(table, tmp_path)
    before = evaluate.digest(folder)
    # Not a part of it, whatever is in them: other names, notes, what somebody is still writing.
    save(table, folder, "more.pq")
    save(table, folder, "_part-00001.parquet")
    save(table, folder / ".trash", "part-00000.parquet")
    (folder / "README.md").write_text("what this is")
    assert (evaluate.read(folder, "late", "flight_id").num_rows, evaluate.digest(folder)) == (2, before)
    save(table, folder, "part-00001.parquet")
    assert evaluate.read(folder, "late", "flight_id").num_rows == 4
    assert evaluate.digest(folder) != before


def test_a_damaged_file_is_told_in_a_line(evaluate: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_text("nothing")
    with pytest.raises(evaluate.InputError, match=r"the test data cannot be read: [^\n]*part-00000.parquet[^\n]*$"):
        evaluate.read(tmp_path, "late", "flight_id")


@pytest.mark.parametrize("values", [
    pa.array(["b", None, "a", "b"]), pa.array(["b", None, "a", "b"]).dictionary_encode(),
    pa.array([2.0, None, 1.0, 2.0]), pa.array([True, None, False, True]),
])  # fmt: skip
def test_rows_without_a_value_are_a_slice_as_well(evaluate: ModuleType, values: pa.Array) -> None:
    found = evaluate.slices(pa.table({"by": values}), ["by"], {"log_loss": np.array([1.0, 9.0, 5.0, 3.0])})
    low, high = sorted({str(value) for value in values.to_pylist() if value is not None})
    assert [(part["value"], part["rows"], part["metrics"]["log_loss"]) for part in found] == [
        (low, 1, 5.0), (high, 2, 2.0), ("no value", 1, 9.0),
    ]  # fmt: skip


def test_names_are_escaped_in_the_report(evaluate: ModuleType) -> None:
    part = {"by": "<b>", "value": "<u>", "rows": 2, "metrics": {}}
    metrics = {
        "metrics": {"log_loss": 0.5, "brier": 0.2, "roc_auc": None, "pr_auc": 0.4}, "confusion": None, "slices": [part],
    }
    summary = {
        "best": "<i>&",
        "metric": "log_loss",
        "threshold": 0.5,
        "test": {"rows": 2, "labels": {"0": 1, "1": 1}, "digest": "sha256:0"},
        "models": {"<i>&": {"role": "candidate", **metrics}},
    }
    page = evaluate.render(summary, np.array([0, 1]), {"<i>&": np.array([0.1, 0.9])})
    assert "<i>" not in page
    assert "<u>" not in page
    assert "by &lt;b&gt;" in page
    assert "&lt;i&gt;&amp;" in page
    assert "not finite" in page


def test_candidates_and_champion_are_measured_on_the_same_rows(
    step: Callable[..., subprocess.CompletedProcess[str]],
    models: dict[str, Path],
    broken_model: Path,
    parts: dict[str, Path],
    tmp_path: Path,
) -> None:
    candidates = {"broken": broken_model, **{name: models[name] for name in TRAINERS}}
    values = {
        **{f"model_{number}": path for number, path in enumerate(candidates.values(), start=1)},
        "names": ",".join(candidates),
        "test": parts["test"],
        "champion": models["train_logistic"],
    }
    outcome = step("evaluate", values, {"metrics": tmp_path / "metrics", "best": tmp_path / "best"})
    assert outcome.returncode == 0, outcome.stderr

    summary = json.loads((tmp_path / "metrics" / "metrics.json").read_text())
    measured = summary["models"]
    test = pd.read_parquet(parts["test"])
    assert list(measured) == [*candidates, "champion"]
    assert summary["champion"] == "champion"
    assert summary["test"]["rows"] == len(test)
    assert summary["test"]["digest"].startswith("sha256:")
    assert measured["broken"]["metrics"]["log_loss"] is None
    same = {name: value for name, value in measured["champion"].items() if name not in ("role", "losses")}
    assert {**measured["train_logistic"], **same} == measured["train_logistic"]
    best = min(TRAINERS, key=lambda name: measured[name]["metrics"]["log_loss"])
    assert summary["best"] == best
    for path in models[best].iterdir():
        assert (tmp_path / "best" / path.name).read_bytes() == path.read_bytes()

    rows = pd.read_parquet(tmp_path / "metrics" / "predictions.parquet")
    assert rows["id"].tolist() == test["flight_id"].tolist()
    assert rows["label"].tolist() == test["late"].tolist()
    assert list(rows) == ["id", "label", *(f"probability_{name}" for name in measured)]
    cells = measured[best]["confusion"]
    assert sum(cells.values()) == len(test)
    assert cells["tp"] + cells["fp"] == (rows[f"probability_{best}"] >= summary["threshold"]).sum()

    # What a gate asks for beyond metrics.
    from mlops_lib.stores.database import Database
    from mlops_lib.stores.digests import Digests

    assert summary["test"]["labels"] == {"0": int((test["late"] == 0).sum()), "1": int((test["late"] == 1).sum())}
    assert summary["test"]["columns"]["carrier"] == "int32"
    database = Database(tmp_path / "digests")
    digest, size = Digests(database).tree(models[best])
    database.close()
    assert (measured[best]["digest"], measured[best]["size"]) == (digest, size)  # as the library counts them
    of_rows = {loss: np.fromfile(tmp_path / "metrics" / file, "<f8") for loss, file in measured[best]["losses"].items()}
    assert {loss: len(values) for loss, values in of_rows.items()} == {"log_loss": len(test), "brier": len(test)}
    for loss, values in of_rows.items():
        assert values.mean() == pytest.approx(measured[best]["metrics"][loss], rel=1e-12)
    [airport] = [part for part in measured[best]["slices"] if (part["by"], part["value"]) == ("origin", "JFK")]
    there = (test["origin"] == 1).to_numpy()  # EWR JFK LGA
    assert airport["rows"] == there.sum()
    assert airport["metrics"]["brier"] == pytest.approx(of_rows["brier"][there].mean(), rel=1e-12)
    assert sum(part["rows"] for part in measured[best]["slices"] if part["by"] == "carrier") == len(test)
    assert (measured["broken"]["losses"], measured["broken"]["slices"][0]["metrics"]) == ({}, {})
    latency = json.loads((tmp_path / "metrics" / "latency.json").read_text())
    assert list(latency) == list(measured)
    assert all(cost["row_ms"] > 0 and cost["rows_per_second"] > 0 for cost in latency.values())

    page = (tmp_path / "metrics" / "report.html").read_text()
    assert "JFK" in page
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert "<link" not in page
    assert "<img" not in page


def test_only_broken_candidates_is_one_line_and_exit_code_1(
    step: Callable[..., subprocess.CompletedProcess[str]], broken_model: Path, parts: dict[str, Path], tmp_path: Path
) -> None:
    values = {"model_1": broken_model, "names": "broken", "test": parts["test"]}
    outcome = step("evaluate", values, {"metrics": tmp_path / "metrics", "best": tmp_path / "best"})
    assert outcome.returncode == 1
    assert not (tmp_path / "best").exists()
    assert outcome.stderr.splitlines()[-1].startswith("evaluate: no candidate has a finite log_loss")
    assert "Traceback" not in outcome.stderr
