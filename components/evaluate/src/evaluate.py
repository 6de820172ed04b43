"""Measure candidates and champion on the same test data, choose the best candidate, and report."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from mlflow.exceptions import MlflowException
from report import render
from sklearn.metrics import average_precision_score, brier_score_loss, confusion_matrix, log_loss, roc_auc_score

PORTS = 8
CHAMPION = "champion"
LARGER_IS_BETTER = {"log_loss": False, "brier": False, "roc_auc": True, "pr_auc": True}
NAME = re.compile(r"[\w./: -]+")  # what MLflow accepts in the name of a metric
REPEATS = 15  # predictions of one row; the shortest counts, because the others also tell what else the machine did

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


class InputError(Exception):
    """The input is not what this step can work with; the message is for its user."""


def parts(folder: Path) -> dict[str, Path]:
    """The Parquet files under *folder* by their names, in order, but for notes and unfinished work (``_``, ``.``).

    What is measured and what the digest is made of are these, so that equal digests are equal rows.
    """
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.parquet")}
    return {name: found[name] for name in sorted(found) if not any(part[0] in "_." for part in name.split("/"))}


def read(folder: Path, label: str, identifier: str, slice_columns: Sequence[str] = ()) -> pa.Table:
    """All rows of the Parquet files under *folder*, in the order of the files' names; both classes occur."""
    if not (files := parts(folder)):
        raise InputError(f"{folder} holds no Parquet file")
    try:
        table = pq.read_table(list(files.values()))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"the test data cannot be read: {str(error).splitlines()[0]}") from error
    if missing := [name for name in (label, identifier, *slice_columns) if name not in table.column_names]:
        raise InputError(f"the test data has no column {' and no column '.join(missing)}")
    found = set(table[label].unique().to_pylist())
    if found != {0, 1}:
        raise InputError(f"the test data needs both classes of {label!r}, 0 and 1; it has {sorted(found, key=str)}")
    return table


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of the Parquet files under *folder*: equal digests, equal test data."""
    total = hashlib.sha256()
    for name, path in parts(folder).items():
        total.update(f"{name}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return f"sha256:{total.hexdigest()}"


def content(folder: Path) -> tuple[str, int]:
    """Digest and size of a model: SHA-256 over the names of its files and the SHA-256 of each; where it lies does not count.

    A gate compares it with the bytes that are promoted, so that nobody promotes others than were measured.
    """
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    total, size = hashlib.sha256(), 0
    for name, path in files:
        data = path.read_bytes()
        total.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\n".encode("utf-8", "surrogateescape"))
        size += len(data)
    return total.hexdigest(), size


def probabilities(model: Path, name: str, features: pd.DataFrame) -> tuple[Floats, dict[str, float]]:
    """The probability of the positive class, shape (rows,), and what it took: of one row, and of all of them.

    A model returns that probability, or one column per class.
    """
    try:
        loaded = mlflow.pyfunc.load_model(str(model))
        expected = loaded.metadata.get_input_schema()
        wanted = [str(name) for name in features] if expected is None else expected.input_names()
        if missing := [column for column in wanted if column not in features]:
            raise InputError(f"{name} needs columns that the test data lacks: {', '.join(missing)}")
        rows = features[wanted]
        one = [seconds(loaded, rows.iloc[:1])[1] for _ in range(1 + REPEATS)][1:]  # the first one also loads what is lazy
        predicted, batch = seconds(loaded, rows)
        found = np.asarray(predicted, dtype="float64")
    except MlflowException as error:
        raise InputError(f"{name} cannot predict the test data: {str(error).splitlines()[0]}") from error
    if found.ndim == 2 and found.shape[1] == 2:
        found = found[:, 1]
    if found.shape != (len(features),):
        raise InputError(f"{name} returned shape {found.shape} for {len(features)} rows; expected one probability a row")
    return found, {
        "row_ms": round(min(one) * 1000, 3),
        "rows_per_second": round(len(features) / max(batch, 1e-9), 1),
    }


def seconds(model: Any, rows: pd.DataFrame) -> tuple[Any, float]:
    """A model's predictions, and how long they took."""
    start = time.perf_counter()
    return model.predict(rows), time.perf_counter() - start


def losses(label: Labels, probability: Floats) -> dict[str, Floats]:
    """The loss of every row, smaller is better; their means are the metrics of the same names. Empty without probabilities."""
    if not usable(probability):
        return {}
    tiny = np.finfo(probability.dtype).eps  # as scikit-learn clips, so that the means agree
    said = np.clip(np.where(label == 1, probability, 1 - probability), tiny, 1 - tiny)
    return {"log_loss": -np.log(said), "brier": (label - probability) ** 2}


def usable(probability: Floats) -> bool:
    """Whether every prediction is a number in 0..1."""
    return bool(((probability >= 0) & (probability <= 1)).all())


def slices(test: pa.Table, columns: Sequence[str], of_rows: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """The mean losses of the rows that have one value in a column, for each of its values, and of those that have none."""
    found: list[dict[str, Any]] = []
    for column in columns:
        values, position = ranked(test[column])
        rows = np.bincount(position)
        means = {name: np.bincount(position, weights=loss) / rows for name, loss in of_rows.items()}
        words = vocabulary(test.schema.field(column))
        found += [
            {
                "by": column,
                "value": "no value" if value is None else words.get(value, str(value)),
                "rows": int(rows[number]),
                "metrics": {name: float(mean[number]) for name, mean in means.items()},
            }
            for number, value in enumerate(values)
        ]
    return found


def ranked(column: pa.ChunkedArray) -> tuple[list[Any], Labels]:
    """The values of a column in order, ``None`` last when some rows have no value; and of each row which of them it has."""
    type_ = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    encoded = column.cast(type_).combine_chunks().dictionary_encode("encode")
    order = pc.sort_indices(encoded.dictionary)
    rank = np.empty(len(order), dtype="int64")
    rank[order.to_numpy()] = np.arange(len(order))
    return encoded.dictionary.take(order).to_pylist(), rank[encoded.indices.to_numpy()]


def vocabulary(field: pa.Field) -> dict[Any, str]:
    """What the codes of a column stand for, when the file says so: prep writes it beside the column's type."""
    words = (field.metadata or {}).get(b"words", b"").decode().split()
    return {**dict(enumerate(words)), -1: "unknown"} if words else {}


def measure(label: Labels, probability: Floats, threshold: float) -> dict[str, Any]:
    """Metrics of one model; every metric is NaN when a probability is not a number in 0..1."""
    if not usable(probability):
        return {"metrics": dict.fromkeys(LARGER_IS_BETTER, math.nan), "confusion": None}
    tn, fp, fn, tp = confusion_matrix(label, probability >= threshold).ravel().tolist()
    return {
        "metrics": {
            "log_loss": float(log_loss(label, probability)),
            "brier": float(brier_score_loss(label, probability)),
            "roc_auc": float(roc_auc_score(label, probability)),
            "pr_auc": float(average_precision_score(label, probability)),
        },
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
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, told: Any) -> None:
    """Write JSON that every reader takes."""
    path.write_text(json.dumps(told, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_losses(folder: Path, number: int, name: str, of_rows: Mapping[str, Floats]) -> dict[str, str]:
    """Write each loss as 64-bit floats, little-endian and nothing else, which every language reads; where, by its name."""
    folder.joinpath("losses").mkdir(parents=True, exist_ok=True)
    files = {loss: f"losses/{number}-{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.{loss}.f64" for loss in of_rows}
    for loss, values in of_rows.items():
        values.astype("<f8").tofile(folder / files[loss])
    return files


def evaluate(args: argparse.Namespace) -> None:
    """Write metrics.json, latency.json, losses, predictions.parquet and report.html, and copy the best candidate."""
    given = [(number, getattr(args, f"model_{number}")) for number in range(1, PORTS + 1)]
    candidates = named([path for _, path in given if path is not None], args.names)
    models = candidates if args.champion is None else {**candidates, CHAMPION: args.champion}
    columns = [name.strip() for name in args.slice_columns.split(",") if name.strip()]

    test = read(args.test, args.label_column, args.id_column, columns)
    label = test[args.label_column].to_numpy().astype("int64")
    features = test.drop_columns([args.label_column, args.id_column]).to_pandas()
    contents = {name: content(path) for name, path in models.items()}  # before anything that loads them
    predicted = {name: probabilities(path, name, features) for name, path in models.items()}
    predictions = {name: values for name, (values, _) in predicted.items()}
    measured = {name: measure(label, values, args.threshold) for name, values in predictions.items()}
    best = choose({name: measured[name]["metrics"] for name in candidates}, args.metric)

    details: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(models, start=1):
        of_rows = losses(label, predictions[name])
        details[name] = {
            "digest": contents[name][0],
            "size": contents[name][1],
            "losses": write_losses(args.metrics, number, name, of_rows),
            "slices": slices(test, columns, of_rows),
        }
    positives = int(label.sum())
    summary = plain(
        {
            "schema_version": 2,
            "test": {
                "digest": digest(args.test),
                "rows": len(label),
                "labels": {"0": len(label) - positives, "1": positives},
                "columns": {field.name: str(field.type) for field in test.schema},
            },
            "metric": args.metric,
            "larger_is_better": LARGER_IS_BETTER[args.metric],
            "threshold": args.threshold,
            "best": best,
            "champion": CHAMPION if args.champion is not None else None,
            "models": {
                name: {"role": CHAMPION if name == CHAMPION else "candidate", **measured[name], **details[name]}
                for name in models
            },
        }
    )
    write_json(args.metrics / "metrics.json", summary)
    # Apart, because no two evaluations take the same time, and all else is the same again.
    write_json(args.metrics / "latency.json", {name: cost for name, (_, cost) in predicted.items()})
    table = pa.table(
        {
            "id": test[args.id_column],
            "label": pa.array(label, pa.int8()),
            **{f"probability_{name}": pa.array(values) for name, values in predictions.items()},
        }
    )
    pq.write_table(table, args.metrics / "predictions.parquet", compression="zstd")
    (args.metrics / "report.html").write_text(render(summary, label, predictions), encoding="utf-8")
    shutil.copytree(candidates[best], args.best, dirs_exist_ok=True)

    metrics = {name: found["metrics"] for name, found in measured.items()}
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
    print(f"best by {args.metric}: {best} ({metrics[best][args.metric]:.4f}) on {len(label):,} rows")


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
    parser.add_argument("--slice-columns", required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--best", type=Path, required=True)
    evaluate(parser.parse_args())


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # a model may bring code: loading it must not add to the bytes that are handed on
    try:
        main()
    except InputError as error:
        sys.exit(f"evaluate: {error}")
