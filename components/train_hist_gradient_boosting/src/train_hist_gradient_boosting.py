"""Train scikit-learn's histogram gradient boosting and save it as an MLflow model."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import mlflow
import mlflow.sklearn
from sklearn.ensemble import HistGradientBoostingClassifier
from training import InputError, Rows, both, identity, learning_curve, requirements, scores, settle_skops, signature

CATEGORIES = ("carrier", "origin", "dest")  # integer codes; scikit-learn reads -1 as missing
REQUIREMENTS = ("mlflow", "numpy", "pandas", "scikit-learn", "skops")
# skops loads only types it is told to trust; these are the parts of the model below that it does not know yet.
TRUSTED = [
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]


@dataclass(frozen=True)
class Hyperparameters:
    """What a sweep may vary; bounds and defaults are in component.yml."""

    learning_rate: float
    max_leaf_nodes: int
    num_trees: int
    min_leaf_rows: int
    patience: int
    seed: int


def fit(train: Rows, validation: Rows, chosen: Hyperparameters) -> HistGradientBoostingClassifier:
    """Trees until the validation log loss has not improved for ``patience`` trees; threads are OMP_NUM_THREADS."""
    model = HistGradientBoostingClassifier(
        learning_rate=chosen.learning_rate,
        max_leaf_nodes=chosen.max_leaf_nodes,
        max_iter=chosen.num_trees,
        min_samples_leaf=chosen.min_leaf_rows,
        categorical_features=[name for name in CATEGORIES if name in train[0]],
        early_stopping=True,
        n_iter_no_change=chosen.patience,
        tol=0.0,
        random_state=chosen.seed,
    )
    return model.fit(*train, X_val=validation[0], y_val=validation[1])


def main() -> None:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    for name in ("max-leaf-nodes", "num-trees", "min-leaf-rows", "patience", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = vars(parser.parse_args())
    folders = {name: args.pop(name) for name in ("train", "validation", "model")}
    chosen = Hyperparameters(**args)

    train, validation = both(folders["train"], folders["validation"])
    model = fit(train, validation, chosen)
    measured = scores(validation[1], model.predict_proba(validation[0])[:, 1])

    mlflow.sklearn.save_model(
        model,
        folders["model"],
        mlflow_model=identity("hist_gradient_boosting", chosen, measured),
        signature=signature(train[0], 2),
        input_example=train[0].head(3),
        pyfunc_predict_fn="predict_proba",
        serialization_format="skops",
        skops_trusted_types=TRUSTED,
        pip_requirements=requirements(*REQUIREMENTS),
    )
    settle_skops(folders["model"])
    mlflow.log_params(asdict(chosen))
    mlflow.log_metrics({**measured, "trees": model.n_iter_})
    mlflow.log_figure(
        learning_curve({"train": -model.train_score_[1:], "validation": -model.validation_score_[1:]}),
        "learning_curve.png",
    )
    print(json.dumps(measured))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"train_hist_gradient_boosting: {error}")
