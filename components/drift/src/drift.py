"""Compare what was scored with what the model was trained on; a report, metrics, and if asked for, a failure."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow
from batches import Source, source
from columns import InputError
from comparison import Comparison, Limits, Result, compare
from drift_report import render

METRICS = 500  # in one request: MLflow takes a thousand
DRIFT = 1  # the exit code


def table(place: Path) -> Source:
    """The Parquet files at *place*."""
    found = source(place)
    if found.textual:
        raise InputError(f"{place} holds text files; types are part of the comparison, so it needs Parquet")
    return found


def told(result: Result) -> dict[str, Any]:
    """A feature as JSON; what is not finite is null."""
    found: dict[str, Any] = {
        "kind": result.feature.kind,
        "drifted": bool(result.breaches),
        "breaches": list(result.breaches),
        "note": result.note,
        "psi": result.psi,
        "psi_by_chance": result.psi_by_chance,
        "missing": dict(zip(("reference", "current"), result.missing, strict=True)) if result.missing else None,
    }
    if result.feature.kind == "number":
        means = [mean if math.isfinite(mean) else None for mean in result.means or ()]
        found |= {"ks": result.ks, "ks_error": result.ks_error}
        found["mean"] = dict(zip(("reference", "current"), means, strict=True)) if means else None
    else:
        found |= {"unseen": result.unseen, "unseen_values": list(result.unseen_values)}
    if result.bars is not None:
        rows = zip(result.bars.labels, result.bars.reference, result.bars.current, strict=True)
        found["bars"] = [{"value": value, "reference": before, "current": now} for value, before, now in rows]
    return found


def document(comparison: Comparison, limits: Limits) -> dict[str, Any]:
    """The content of drift.json."""
    return {
        "schema_version": 1,
        "rows": dict(zip(("reference", "current"), comparison.rows, strict=True)),
        "limits": {name: getattr(limits, name) for name in Limits.__dataclass_fields__},
        "drifted": [result.feature.name for result in comparison.drifted],
        "features": {result.feature.name: told(result) for result in comparison.features},
        "predictions": None if comparison.predictions is None else told(comparison.predictions),
        "added": list(comparison.added),
        "passed_over": dict(comparison.passed_over),
    }


def metrics(comparison: Comparison) -> dict[str, float]:
    """What is logged: how many have drifted, the largest distances, and those of every feature."""
    found = {
        "features": float(len(comparison.features)),
        "drifted": float(len(comparison.drifted)),
        "max_psi": max([0.0, *(result.psi or 0.0 for result in comparison.features)]),
        "max_ks": max([0.0, *(result.ks or 0.0 for result in comparison.features)]),
    }
    if comparison.predictions is not None:
        found |= dict(measured("prediction", comparison.predictions))
    for result in comparison.features:
        found |= dict(measured(re.sub(r"[^\w./ -]", "_", result.feature.name), result))
    return found


def measured(name: str, result: Result) -> Iterator[tuple[str, float]]:
    """The distances of one feature under its name."""
    given = {"psi": result.psi, "ks": result.ks, "unseen": result.unseen}
    yield from ((f"{name}.{metric}", value) for metric, value in given.items() if value is not None)
    if result.missing is not None:
        yield f"{name}.missing_change", result.missing[1] - result.missing[0]


def log(found: Mapping[str, float]) -> None:
    """Log metrics, however many they are."""
    left = iter(found.items())
    while part := dict(itertools.islice(left, METRICS)):
        mlflow.log_metrics(part)


def flag(text: str) -> bool:
    """A boolean as Azure ML writes it into a command."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def words(text: str) -> list[str]:
    """Names that are separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def main() -> int:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--current", type=Path, required=True)
    parser.add_argument("--reference-predictions", type=Path)
    parser.add_argument("--current-predictions", type=Path)
    parser.add_argument("--prediction-column", required=True)
    parser.add_argument("--ignored-columns", required=True)
    parser.add_argument("--category-columns", required=True)
    parser.add_argument("--max-psi", type=float, required=True)
    parser.add_argument("--max-ks", type=float, required=True)
    parser.add_argument("--max-missing-change", type=float, required=True)
    parser.add_argument("--max-unseen", type=float, required=True)
    parser.add_argument("--max-prediction-psi", type=float, required=True)
    parser.add_argument("--fail-on-drift", type=flag, required=True)
    parser.add_argument("--report", type=Path, required=True)
    args = parser.parse_args()

    limits = Limits(args.max_psi, args.max_ks, args.max_missing_change, args.max_unseen, args.max_prediction_psi)
    given = [args.reference_predictions, args.current_predictions]
    if given.count(None) == 1:
        raise InputError("predictions of one side were given; they are compared, so it takes both or none")
    comparison = compare(
        table(args.reference),
        table(args.current),
        limits,
        predictions=(table(given[0]), table(given[1])) if None not in given else None,
        prediction=args.prediction_column,
        ignored=words(args.ignored_columns),
        categories=words(args.category_columns),
    )
    args.report.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document(comparison, limits), indent=2, allow_nan=False)
    (args.report / "drift.json").write_text(text + "\n", encoding="utf-8")
    (args.report / "report.html").write_text(render(comparison, limits), encoding="utf-8")
    log(metrics(comparison))
    print(f"{len(comparison.drifted)} of {len(comparison.results)} have drifted")
    for result in comparison.drifted:
        print(f"{result.feature.name}: {'; '.join(result.breaches)}", file=sys.stderr)
    if not comparison.drifted or not args.fail_on_drift:
        return 0
    # The output of a failed step is not kept; what lies in ./outputs stays with its run.
    shutil.copytree(args.report, Path("outputs", "drift"), dirs_exist_ok=True)
    past = f"{len(comparison.drifted)} of {len(comparison.results)} are past their limits"
    print(f"drift: {past}; the report is in outputs/drift", file=sys.stderr)
    return DRIFT


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"drift: {error}")
