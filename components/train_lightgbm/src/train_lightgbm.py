"""Train gradient boosted trees with LightGBM and save them as an MLflow model."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import mlflow
import mlflow.lightgbm
from mlflow.models import Model
from training import InputError, Rows, both, identity, learning_curve, requirements, scores, signature

CATEGORIES = ("carrier", "origin", "dest")  # integer codes; LightGBM reads -1 as missing
REQUIREMENTS = ("mlflow", "lightgbm", "numpy", "pandas", "scikit-learn")


@dataclass(frozen=True)
class Hyperparameters:
    """What a sweep may vary; bounds and defaults are in component.yml."""

    learning_rate: float
    num_leaves: int
    num_trees: int
    min_leaf_rows: int
    patience: int
    seed: int


def fit(train: Rows, validation: Rows, chosen: Hyperparameters) -> tuple[lgb.Booster, dict[str, list[float]]]:
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


def settle(folder: Path) -> None:
    """Sort the one list in MLmodel that MLflow takes from a set, whose order changes from process to process."""
    saved = Model.load(str(folder))
    saved.flavors["lightgbm"]["skops_trusted_types"].sort()
    saved.save(str(folder / "MLmodel"))


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

    train, validation = both(folders["train"], folders["validation"])
    booster, losses = fit(train, validation, chosen)
    measured = scores(validation[1], booster.predict(validation[0]))

    mlflow.lightgbm.save_model(
        booster,
        folders["model"],
        mlflow_model=identity("lightgbm", chosen, booster.model_to_string()),
        signature=signature(train[0]),
        input_example=train[0].head(3),
        pip_requirements=requirements(*REQUIREMENTS),
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
