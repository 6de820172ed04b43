"""What the trainers share: reading features, the model's signature and identity, the metrics, the learning curve.

A trainer takes it in by ``additional_includes``, so that on Azure ML it lies beside the script.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

LABEL = "late"
NOT_FEATURES = ("flight_id", "scheduled_departure", LABEL)

Rows = tuple[pd.DataFrame, pd.Series]  # features, label


class InputError(Exception):
    """The input is not what this step can work with; the message is for its user."""


def read(folder: Path) -> Rows:
    """Features and label of all Parquet files under *folder*; both classes occur."""
    if not list(folder.rglob("*.parquet")):
        raise InputError(f"{folder} holds no Parquet file")
    table = pq.read_table(folder)
    if LABEL not in table.column_names:
        raise InputError(f"{folder} has no column {LABEL!r}")
    frame = table.to_pandas()
    if frame[LABEL].nunique() != 2:
        raise InputError(f"{folder} needs both classes of {LABEL!r}; its {len(frame)} rows have {frame[LABEL].nunique()}")
    return frame.drop(columns=[name for name in NOT_FEATURES if name in frame]), frame[LABEL]


def both(train: Path, validation: Path) -> tuple[Rows, Rows]:
    """What is trained on and what decides when to stop, which have the same columns."""
    first, second = read(train), read(validation)
    if list(first[0]) != list(second[0]):
        raise InputError("train and validation have different columns")
    return first, second


def signature(features: pd.DataFrame, *shape: int) -> ModelSignature:
    """Whole numbers are required; a real number may be missing (no weather was observed).

    *shape* is that of the prediction for one row: none is P(late), 2 is P(on time) and P(late).
    """
    kinds = {"i": ("integer", True), "f": ("double", False)}
    try:
        columns: list[ColSpec | TensorSpec] = [
            ColSpec(kinds[dtype.kind][0], str(name), required=kinds[dtype.kind][1]) for name, dtype in features.dtypes.items()
        ]
    except KeyError as error:
        raise InputError(f"features must be numbers; the columns are {features.dtypes.to_dict()}") from error
    return ModelSignature(Schema(columns), Schema([TensorSpec(np.dtype("float64"), (-1, *shape))]))


def identity(*parts: object) -> Model:
    """An empty MLflow model whose id and time follow from *parts*, so the same training writes the same bytes.

    Left alone, MLflow draws a random id and reads the clock; when and where it was trained is in the run's record.
    """
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()
    return Model(model_uuid=digest[:32], utc_time_created="1970-01-01 00:00:00")


def requirements(*packages: str) -> list[str]:
    """The *packages* pinned to the versions that trained the model."""
    return [f"{package}=={version(package)}" for package in packages]


def settle_skops(folder: Path) -> None:
    """Rewrite a model saved as skops without clock times and memory addresses, so the same model is the same bytes.

    A skops file is a zip of arrays and one schema. Its ``__id__`` are memory addresses that only tell which objects are
    one and the same (a negative number cannot be one of them), and the arrays' names come from addresses too.
    """
    path = folder / "model.skops"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names: dict[object, object] = {}

    def renamed(node: Any, key: str = "") -> Any:
        if isinstance(node, dict):
            return {name: renamed(value, name) for name, value in node.items()}
        if isinstance(node, list):
            return [renamed(value) for value in node]
        if key == "__id__":
            return names.setdefault(node, len(names) + 1)
        if key == "file":
            return names.setdefault(node, f"{len(names) + 1}{Path(node).suffix}")
        return node

    schema = json.dumps(renamed(json.loads(members.pop("schema.json"))), indent=2)
    contents = {"schema.json": schema.encode(), **{str(names[name]): content for name, content in members.items()}}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in sorted(contents.items()):
            archive.writestr(zipfile.ZipInfo(name), content)  # dated 1980, the earliest a zip can say
    saved = Model.load(str(folder))
    saved.model_size_bytes = sum(file.stat().st_size for file in folder.iterdir() if file.name != "MLmodel")
    saved.save(str(folder / "MLmodel"))


def scores(label: pd.Series, probability: Any) -> dict[str, float]:
    """The validation metrics that are logged; sweeps choose by ``validation_log_loss``."""
    return {
        "validation_roc_auc": float(roc_auc_score(label, probability)),
        "validation_pr_auc": float(average_precision_score(label, probability)),
        "validation_log_loss": float(log_loss(label, probability)),
        "validation_brier": float(brier_score_loss(label, probability)),
    }


def learning_curve(losses: Mapping[str, Sequence[float]]) -> Any:
    """A matplotlib figure of the log loss after each tree."""
    from matplotlib.figure import Figure  # here, because importing it takes as long as half the training

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, values in losses.items():
        axes.plot(range(1, len(values) + 1), values, label=name)
    axes.set(xlabel="trees", ylabel="log loss")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
