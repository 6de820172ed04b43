"""Score data with an MLflow model, batch by batch; rows that cannot be scored are set aside with the reason."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

import mlflow
from batches import source
from columns import InputError
from predictor import load
from scoring import Job, score


def main() -> None:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model-version")
    parser.add_argument("--id-column", required=True)
    parser.add_argument("--prediction-column", required=True)
    parser.add_argument("--batch-rows", type=int, required=True)
    parser.add_argument("--format", choices=("parquet", "csv"), required=True)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    args = parser.parse_args()

    data = source(args.data)
    model = load(args.model, data.rows)
    job = Job(
        identifier=args.id_column,
        version=args.model_version or model.identity,
        time=datetime.now(timezone.utc),
        batch_rows=args.batch_rows,
        prediction=args.prediction_column,
        format=args.format,
    )
    counts = score(data, model, job, args.predictions, args.rejects)
    if not counts["rows"]:
        raise InputError(f"{args.data} has no rows")
    mlflow.log_metrics(counts)
    print(json.dumps(counts))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"score: {error}")
