"""Measure candidates and champion on the same test data, choose the best candidate, and report."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.exceptions import MlflowException
from report import render
from sklearn.metrics import average_precision_score, brier_score_loss, confusion_matrix, log_loss, roc_auc_score

PORTS = 8
CHAMPION = "champion"
LARGER_IS_BETTER = {"log_loss": False, "brier": False, "roc_auc": True, "pr_auc": True}
NAME = re.compile(r"[\w./: -]+")  # what MLflow accepts in the name of a metric

Floats = npt.NDArray[np.float64]


class InputError(Exception):
    """The input is not what this step can work with; the message is for its user."""


def read(folder: Path, label: str, identifier: str) -> pd.DataFrame:
    """All rows of the Parquet files under *folder*, in the order of the files' names; both classes occur."""
    if not list(folder.rglob("*.parquet")):
        raise InputError(f"{folder} holds no Parquet file")
    frame: pd.DataFrame = pq.read_table(folder).to_pandas()
    if missing := [name for name in (label, identifier) if name not in frame]:
        raise InputError(f"the test data has no column {' and no column '.join(missing)}")
    if set(frame[label].unique()) != {0, 1}:
        raise InputError(f"the test data needs both classes of {label!r}, 0 and 1; it has {sorted(set(frame[label]))}")
    return frame


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of the Parquet files under *folder*: equal digests, equal test data."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.parquet")):
        total.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return f"sha256:{total.hexdigest()}"


def probabilities(model: Path, name: str, features: pd.DataFrame) -> Floats:
    """The probability of the positive class, shape (rows,), from a model that returns it or one column per class."""
    try:
        loaded = mlflow.pyfunc.load_model(str(model))
        expected = loaded.metadata.get_input_schema()
        wanted = [str(name) for name in features] if expected is None else expected.input_names()
        if missing := [column for column in wanted if column not in features]:
            raise InputError(f"{name} needs columns that the test data lacks: {', '.join(missing)}")
        found = np.asarray(loaded.predict(features[wanted]), dtype="float64")
    except MlflowException as error:
        raise InputError(f"{name} cannot predict the test data: {str(error).splitlines()[0]}") from error
    if found.ndim == 2 and found.shape[1] == 2:
        found = found[:, 1]
    if found.shape != (len(features),):
        raise InputError(f"{name} returned shape {found.shape} for {len(features)} rows; expected one probability a row")
    return found


def measure(label: npt.NDArray[np.int64], probability: Floats, threshold: float) -> dict[str, Any]:
    """Metrics of one model; every metric is NaN when a probability is not a number in 0..1."""
    if not bool(((probability >= 0) & (probability <= 1)).all()):
        return {**dict.fromkeys(LARGER_IS_BETTER, math.nan), "confusion": None}
    tn, fp, fn, tp = confusion_matrix(label, probability >= threshold).ravel().tolist()
    return {
        "log_loss": float(log_loss(label, probability)),
        "brier": float(brier_score_loss(label, probability)),
        "roc_auc": float(roc_auc_score(label, probability)),
        "pr_auc": float(average_precision_score(label, probability)),
        "confusion": {"tn": tn, "fp": fp, "fn": fn, "tp": tp},
    }


def choose(metrics: Mapping[str, Mapping[str, Any]], by: str) -> str:
    """The candidate that is best *by* a metric; a tie keeps the first, a value that is not finite never wins.

    Raises:
        InputError: no candidate has a finite value.
    """
    sign = 1 if LARGER_IS_BETTER[by] else -1
    finite = [name for name in metrics if math.isfinite(metrics[name][by])]
    if not finite:
        raise InputError(f"no candidate has a finite {by}: its predictions are not probabilities")
    return max(finite, key=lambda name: sign * metrics[name][by])


def named(paths: list[Path], names: str) -> dict[str, Path]:
    """Candidates by name, in the order of the ports."""
    found = [name.strip() for name in names.split(",")]
    if len(found) != len(paths):
        raise InputError(f"{len(paths)} models were given but {len(found)} names: {names!r}")
    if wrong := [name for name in found if not NAME.fullmatch(name) or name == CHAMPION]:
        raise InputError(f"not a name for a candidate: {wrong[0]!r} (letters, digits and _ . - / : only; not 'champion')")
    if len(set(found)) != len(found):
        raise InputError(f"two candidates have the same name: {names!r}")
    return dict(zip(found, paths, strict=True))


def plain(value: Any) -> Any:
    """*value* for JSON, which has no NaN and no infinity: they become null."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate(args: argparse.Namespace) -> None:
    """Write metrics.json, predictions.parquet and report.html, and copy the best candidate."""
    given = [(number, getattr(args, f"model_{number}")) for number in range(1, PORTS + 1)]
    candidates = named([path for _, path in given if path is not None], args.names)
    models = candidates if args.champion is None else {**candidates, CHAMPION: args.champion}

    test = read(args.test, args.label_column, args.id_column)
    label = test[args.label_column].to_numpy("int64")
    features = test.drop(columns=[args.label_column, args.id_column])
    predictions = {name: probabilities(path, name, features) for name, path in models.items()}
    metrics = {name: measure(label, values, args.threshold) for name, values in predictions.items()}
    best = choose({name: metrics[name] for name in candidates}, args.metric)

    summary = plain(
        {
            "schema_version": 1,
            "test": {"digest": digest(args.test), "rows": len(test), "positives": int(label.sum())},
            "metric": args.metric,
            "larger_is_better": LARGER_IS_BETTER[args.metric],
            "threshold": args.threshold,
            "best": best,
            "champion": CHAMPION if args.champion is not None else None,
            "models": {
                name: {"role": CHAMPION if name == CHAMPION else "candidate", **values} for name, values in metrics.items()
            },
        }
    )
    args.metrics.mkdir(parents=True, exist_ok=True)
    (args.metrics / "metrics.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    table = pa.table(
        {
            "id": pa.array(test[args.id_column]),
            "label": pa.array(label, pa.int8()),
            **{f"probability_{name}": pa.array(values) for name, values in predictions.items()},
        }
    )
    pq.write_table(table, args.metrics / "predictions.parquet", compression="zstd")
    (args.metrics / "report.html").write_text(render(summary, label, predictions), encoding="utf-8")
    shutil.copytree(candidates[best], args.best, dirs_exist_ok=True)

    mlflow.log_params({"best": best, "metric": args.metric, "test_digest": summary["test"]["digest"]})
    mlflow.log_metrics(
        {
            f"{name}.{metric}": metrics[name][metric]
            for name in metrics
            for metric in LARGER_IS_BETTER
            if math.isfinite(metrics[name][metric])
        }
        | {metric: metrics[best][metric] for metric in LARGER_IS_BETTER}
    )
    mlflow.log_artifact(str(args.metrics / "report.html"))
    print(f"best by {args.metric}: {best} ({metrics[best][args.metric]:.4f}) on {len(test):,} rows")


def main() -> None:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    for number in range(1, PORTS + 1):
        parser.add_argument(f"--model-{number}", type=Path, required=number == 1)
    parser.add_argument("--names", required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--champion", type=Path)
    parser.add_argument("--metric", choices=LARGER_IS_BETTER, required=True)
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--label-column", required=True)
    parser.add_argument("--id-column", required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--best", type=Path, required=True)
    evaluate(parser.parse_args())


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"evaluate: {error}")
