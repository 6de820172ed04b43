"""Train gradient boosted trees with LightGBM and save them as an MLflow model."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightgbm as lgb
import mlflow
import mlflow.lightgbm
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

LABEL = "late"
NOT_FEATURES = ("flight_id", "scheduled_departure", LABEL)
CATEGORIES = ("carrier", "origin", "dest")  # integer codes; LightGBM reads -1 as missing
REQUIREMENTS = ("mlflow", "lightgbm", "numpy", "pandas", "scikit-learn")


class InputError(Exception):
    """The input is not what this step can work with; the message is for its user."""


@dataclass(frozen=True)
class Hyperparameters:
    """What a sweep may vary; bounds and defaults are in component.yml."""

    learning_rate: float
    num_leaves: int
    num_trees: int
    min_leaf_rows: int
    patience: int
    seed: int


def read(folder: Path) -> tuple[pd.DataFrame, pd.Series]:
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


def fit(
    train: tuple[pd.DataFrame, pd.Series], validation: tuple[pd.DataFrame, pd.Series], chosen: Hyperparameters
) -> tuple[lgb.Booster, dict[str, list[float]]]:
    """The booster at its best number of trees, and the log loss per tree of both data sets.

    Threads are those of OMP_NUM_THREADS; the result does not depend on how many there are.
    """
    parameters: dict[str, Any] = {
        "objective": "binary",
        "learning_rate": chosen.learning_rate,
        "num_leaves": chosen.num_leaves,
        "min_data_in_leaf": chosen.min_leaf_rows,
        "feature_fraction": 0.8,
        "cat_smooth": 50,  # destinations with few flights would otherwise be learnt by heart
        "seed": chosen.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    categories = [name for name in CATEGORIES if name in train[0]]
    data = lgb.Dataset(*train, categorical_feature=categories)
    watched = data.create_valid(*validation)
    curve: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        parameters,
        data,
        num_boost_round=chosen.num_trees,
        valid_sets=[data, watched],
        valid_names=["train", "validation"],
        callbacks=[
            lgb.record_evaluation(curve),
            lgb.early_stopping(chosen.patience, verbose=False),
        ],
    )
    return booster, {name: losses["binary_logloss"] for name, losses in curve.items()}


def signature(features: pd.DataFrame) -> ModelSignature:
    """Whole numbers are required; a real number may be missing (no weather was observed). The output is P(late)."""
    kinds = {"i": ("integer", True), "f": ("double", False)}
    try:
        columns: list[ColSpec | TensorSpec] = [
            ColSpec(kinds[dtype.kind][0], str(name), required=kinds[dtype.kind][1]) for name, dtype in features.dtypes.items()
        ]
    except KeyError as error:
        raise InputError(f"features must be numbers; the columns are {features.dtypes.to_dict()}") from error
    return ModelSignature(Schema(columns), Schema([TensorSpec(np.dtype("float64"), (-1,))]))


def identity(*parts: object) -> Model:
    """An empty MLflow model whose id and time follow from *parts*, so the same training writes the same bytes.

    Left alone, MLflow draws a random id and reads the clock; when and where it was trained is in the run's record.
    """
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()
    return Model(model_uuid=digest[:32], utc_time_created="1970-01-01 00:00:00")


def settle(folder: Path) -> None:
    """Sort the one list in MLmodel that MLflow takes from a set, whose order changes from process to process."""
    saved = Model.load(str(folder))
    saved.flavors["lightgbm"]["skops_trusted_types"].sort()
    saved.save(str(folder / "MLmodel"))


def scores(label: pd.Series, probability: Any) -> dict[str, float]:
    """The validation metrics that are logged; sweeps choose by ``validation_log_loss``."""
    return {
        "validation_roc_auc": float(roc_auc_score(label, probability)),
        "validation_pr_auc": float(average_precision_score(label, probability)),
        "validation_log_loss": float(log_loss(label, probability)),
        "validation_brier": float(brier_score_loss(label, probability)),
    }


def learning_curve(losses: dict[str, list[float]]) -> Any:
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


def main() -> None:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    for name in ("num-leaves", "num-trees", "min-leaf-rows", "patience", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = vars(parser.parse_args())
    folders = {name: args.pop(name) for name in ("train", "validation", "model")}
    chosen = Hyperparameters(**args)

    train, validation = read(folders["train"]), read(folders["validation"])
    if list(train[0]) != list(validation[0]):
        raise InputError("train and validation have different columns")
    booster, losses = fit(train, validation, chosen)
    measured = scores(validation[1], booster.predict(validation[0]))

    mlflow.lightgbm.save_model(
        booster,
        folders["model"],
        mlflow_model=identity("lightgbm", chosen, booster.model_to_string()),
        signature=signature(train[0]),
        input_example=train[0].head(3),
        pip_requirements=[f"{package}=={version(package)}" for package in REQUIREMENTS],
    )
    settle(folders["model"])
    mlflow.log_params(asdict(chosen))
    mlflow.log_metrics({**measured, "trees": booster.num_trees()})
    mlflow.log_figure(learning_curve(losses), "learning_curve.png")
    print(json.dumps(measured))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"train_lightgbm: {error}")
