"""Score files in the workers of a parallel job: each file is read, scored and written by one of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from batches import is_data, source
from predictor import Loaded, load
from scoring import Job, score


@dataclass
class Worker:
    """What a worker keeps from one mini-batch to the next."""

    model: Loaded
    args: argparse.Namespace
    rows: int = 0


worker: Worker


def init() -> None:
    """Load the model once."""
    global worker
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--model-version")
    parser.add_argument("--id-column", required=True)
    parser.add_argument("--prediction-column", required=True)
    parser.add_argument("--batch-rows", type=int, required=True)
    parser.add_argument("--worker-rows", type=int, required=True)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    args, _ = parser.parse_known_args()  # Azure ML adds its own
    # Workers are as many as cores: with threads of their own they would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    worker = Worker(load(args.model, args.worker_rows), args)


def run(mini_batch: list[str], mini_batch_context: Any) -> list[str]:
    """Score the files of a mini-batch; a line of JSON for each, with what became of its rows.

    Names of parts follow from the mini-batch's number, so that a second attempt replaces what the first has written.
    """
    lines = []
    for position, path in enumerate(map(Path, mini_batch)):
        counts = {"rows": 0, "predictions": 0, "rejects": 0}
        if is_data(path):
            counts = scored(path, f"{mini_batch_context.minibatch_index}-{position}")
        lines.append(json.dumps({"file": path.name, **counts}))
        worker.rows += counts["rows"]
    return lines


def scored(path: Path, stem: str) -> dict[str, int]:
    """Score one file into parts whose names begin with *stem*."""
    args = worker.args
    job = Job(
        identifier=args.id_column,
        version=args.model_version or worker.model.identity,
        time=datetime.now(timezone.utc),
        batch_rows=args.batch_rows,
        prediction=args.prediction_column,
        stem=stem,
    )
    return score(source(path), worker.model, job, args.predictions, args.rejects)


def shutdown() -> None:
    """Say how much this worker has done."""
    print(f"score_parallel: {worker.rows:,} rows", file=sys.stderr)
