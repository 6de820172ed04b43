"""Train a logistic regression and save them as an MLflow model."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zipfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

LABEL = "late"
NOT_FEATURES = ("flight_id", "scheduled_departure", LABEL)
CATEGORIES = ("carrier", "origin", "dest", "weekday")
TIME_OF_DAY = "departure_minute"
SCHEDULE = ("scheduled_minutes", "distance", "departures_last_hour")
REQUIREMENTS = ("mlflow", "numpy", "pandas", "scikit-learn", "skops")
# skops loads only types it is told to trust; these are the parts of the model above that it does not know yet.
TRUSTED = ["numpy.dtype"]


class InputError(Exception):
    """The input is not what this step can work with; the message is for its user."""


@dataclass(frozen=True)
class Hyperparameters:
    """What a sweep may vary; bounds and defaults are in component.yml."""

    inverse_regularization: float
    bins: int
    max_iterations: int


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


def fit(train: tuple[pd.DataFrame, pd.Series], chosen: Hyperparameters) -> Pipeline:
    """One-hot categories, the time of day in equal bins, standardised numbers with a flag for each missing one.

    A category that training has not seen, -1 among them, is all zeros: the average flight.
    """
    observed = [str(name) for name, dtype in train[0].dtypes.items() if dtype.kind == "f"]
    bins = KBinsDiscretizer(chosen.bins, encode="onehot-dense", strategy="uniform")
    encoding = ColumnTransformer(
        [
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(CATEGORIES)),
            ("time_of_day", bins, [TIME_OF_DAY]),
            ("schedule", StandardScaler(), list(SCHEDULE)),
            (
                "weather",
                make_pipeline(StandardScaler(), SimpleImputer(strategy="median", add_indicator=True)),
                observed,
            ),
        ]
    )
    classifier = LogisticRegression(C=chosen.inverse_regularization, max_iter=chosen.max_iterations, tol=1e-3)
    return make_pipeline(encoding, classifier).fit(*train)


def signature(features: pd.DataFrame) -> ModelSignature:
    """Whole numbers are required; a real number may be missing (no weather). The output is P(on time), P(late)."""
    kinds = {"i": ("integer", True), "f": ("double", False)}
    try:
        columns: list[ColSpec | TensorSpec] = [
            ColSpec(kinds[dtype.kind][0], str(name), required=kinds[dtype.kind][1]) for name, dtype in features.dtypes.items()
        ]
    except KeyError as error:
        raise InputError(f"features must be numbers; the columns are {features.dtypes.to_dict()}") from error
    return ModelSignature(Schema(columns), Schema([TensorSpec(np.dtype("float64"), (-1, 2))]))


def identity(*parts: object) -> Model:
    """An empty MLflow model whose id and time follow from *parts*, so the same training writes the same bytes.

    Left alone, MLflow draws a random id and reads the clock; when and where it was trained is in the run's record.
    """
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()
    return Model(model_uuid=digest[:32], utc_time_created="1970-01-01 00:00:00")


def settle(folder: Path) -> None:
    """Rewrite the saved model without clock times and memory addresses, so the same model is the same bytes.

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


def coefficients(model: Pipeline, largest: int = 20) -> Any:
    """A matplotlib figure of the *largest* coefficients; above 0 makes a late arrival more likely."""
    from matplotlib.figure import Figure  # here, because importing it takes as long as half the training

    weights = pd.Series(model[-1].coef_[0], index=model[0].get_feature_names_out())
    weights = weights[weights.abs().nlargest(largest).index].sort_values()
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    axes.barh(weights.index, weights.to_numpy())
    axes.set(xlabel="coefficient (log odds)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def main() -> None:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--inverse-regularization", type=float, required=True)
    parser.add_argument("--bins", type=int, required=True)
    parser.add_argument("--max-iterations", type=int, required=True)
    args = vars(parser.parse_args())
    folders = {name: args.pop(name) for name in ("train", "validation", "model")}
    chosen = Hyperparameters(**args)

    train, validation = read(folders["train"]), read(folders["validation"])
    if list(train[0]) != list(validation[0]):
        raise InputError("train and validation have different columns")
    if missing := [name for name in (*CATEGORIES, TIME_OF_DAY, *SCHEDULE) if name not in train[0]]:
        raise InputError(f"{folders['train']} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}")
    model = fit(train, chosen)
    measured = scores(validation[1], model.predict_proba(validation[0])[:, 1])

    mlflow.sklearn.save_model(
        model,
        folders["model"],
        mlflow_model=identity("logistic", chosen, measured),
        signature=signature(train[0]),
        input_example=train[0].head(3),
        pyfunc_predict_fn="predict_proba",
        serialization_format="skops",
        skops_trusted_types=TRUSTED,
        pip_requirements=[f"{package}=={version(package)}" for package in REQUIREMENTS],
    )
    settle(folders["model"])
    mlflow.log_params(asdict(chosen))
    mlflow.log_metrics({**measured, "iterations": int(model[-1].n_iter_[0])})
    mlflow.log_figure(coefficients(model), "coefficients.png")
    print(json.dumps(measured))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"train_logistic: {error}")
