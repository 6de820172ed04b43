"""Train a logistic regression and save it as an MLflow model."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler
from training import InputError, Rows, both, identity, requirements, scores, settle_skops, signature

CATEGORIES = ("carrier", "origin", "dest", "weekday")
TIME_OF_DAY = "departure_minute"
SCHEDULE = ("scheduled_minutes", "distance", "departures_last_hour")
REQUIREMENTS = ("mlflow", "numpy", "pandas", "scikit-learn", "skops")
# skops loads only types it is told to trust; these are the parts of the model below that it does not know yet.
TRUSTED = ["numpy.dtype"]


@dataclass(frozen=True)
class Hyperparameters:
    """What a sweep may vary; bounds and defaults are in component.yml."""

    inverse_regularization: float
    bins: int
    max_iterations: int


def fit(train: Rows, chosen: Hyperparameters) -> Pipeline:
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

    train, validation = both(folders["train"], folders["validation"])
    if missing := [name for name in (*CATEGORIES, TIME_OF_DAY, *SCHEDULE) if name not in train[0]]:
        raise InputError(f"{folders['train']} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}")
    model = fit(train, chosen)
    measured = scores(validation[1], model.predict_proba(validation[0])[:, 1])

    mlflow.sklearn.save_model(
        model,
        folders["model"],
        mlflow_model=identity("logistic", chosen, measured),
        signature=signature(train[0], 2),
        input_example=train[0].head(3),
        pyfunc_predict_fn="predict_proba",
        serialization_format="skops",
        skops_trusted_types=TRUSTED,
        pip_requirements=requirements(*REQUIREMENTS),
    )
    settle_skops(folders["model"])
    mlflow.log_params(asdict(chosen))
    mlflow.log_metrics({**measured, "iterations": int(model[-1].n_iter_[0])})
    mlflow.log_figure(coefficients(model), "coefficients.png")
    print(json.dumps(measured))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"train_logistic: {error}")
