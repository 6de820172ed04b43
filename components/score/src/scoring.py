"""Score all rows of a source: each goes in once and comes out once, as a prediction or as a reject with a reason."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from batches import Source
from columns import Column, InputError, converted, differences, unused
from parts import sink
from predictor import Loaded, Numbers, Predictor, first_line

Item = TypeVar("Item")
Done = TypeVar("Done")

BESIDE = "model_version", "scored_at"  # every prediction
FAILURES = 100  # before the first row is scored


@dataclass(frozen=True)
class Job:
    """What is written beside every prediction, and how.

    Attributes:
        identifier: The column that names a row.
        time: When this scoring began; the same for all rows, so that one scoring can be told from another.
        batch_rows: Rows in memory at once.
        prediction: What the column of the predictions is called.
        format: ``parquet`` for parts, ``csv`` for one file that grows.
        stem: What the names of Parquet parts begin with.
    """

    identifier: str
    version: str
    time: datetime
    batch_rows: int
    prediction: str = "probability"
    format: str = "parquet"
    stem: str = "part"


def score(data: Source, model: Loaded, job: Job, predictions: Path, rejects: Path) -> dict[str, int]:
    """Write the predictions and rejects of *data*; their rows together are the rows of *data*, in its order.

    A prediction is the id, the number, ``model_version`` and ``scored_at``; a reject is the whole row and ``reason`` (a line
    that is no row: its text in the reason).

    Returns:
        How many ``rows``, ``predictions`` and ``rejects`` there were.

    Raises:
        InputError: the data does not fit the model's signature, or two columns of the predictions would have one name (before
            anything is written), or the model is broken.
    """
    if not job.prediction or job.prediction in (job.identifier, *BESIDE):
        raise InputError(f"predictions cannot be called {job.prediction!r}: another column of theirs is, or nothing")
    if found := differences(data.schema, model.columns, job.identifier, textual=data.textual):
        raise InputError("the data does not fit the model's signature: " + "; ".join(found))
    if extra := unused(data.schema, model.columns, job.identifier):
        print(f"score: the model does not use {', '.join(extra)}", file=sys.stderr)
    result = pa.schema([
        data.schema.field(job.identifier), (job.prediction, pa.float64()), (BESIDE[0], pa.string()),
        (BESIDE[1], pa.timestamp("us", tz="UTC")),
    ]).remove_metadata()  # fmt: skip
    refused = data.schema.remove_metadata().append(pa.field("reason", pa.string()))
    scored = sink(predictions, result, job.format, stem=job.stem, name="predictions", repeated=BESIDE)
    rejected = sink(rejects, refused, job.format, stem=job.stem, name="rejects")

    attempts = Attempts(model.predictor)

    def work(part: tuple[pa.Table, list[str]]) -> tuple[int, pa.Table, pa.Table]:
        batch, malformed = part
        said, refusals = judged(batch, model.columns, attempts, job, result, refused)
        if malformed:
            empty = [pa.nulls(len(malformed), field.type) for field in data.schema]
            refusals = pa.concat_tables([refusals, pa.table([*empty, pa.array(malformed)], schema=refused)])
        return batch.num_rows + len(malformed), said, refusals

    rows = 0
    for number, said, refusals in in_order(work, data.batches(job.batch_rows), model.predictor.workers):
        rows += number
        scored.write(said)
        rejected.write(refusals)
    scored.close()
    rejected.close()
    counts = {"rows": rows, "predictions": scored.rows, "rejects": rejected.rows}
    if counts["predictions"] + counts["rejects"] != rows:
        raise RuntimeError(f"rows were lost or doubled: {counts}")
    return counts


def in_order(work: Callable[[Item], Done], items: Iterable[Item], workers: int) -> Iterator[Done]:
    """``work(item)`` of every item, in order, by so many threads; while they work, items are read and results written.

    As many items are in memory as there are workers, and one more that is ready for the next of them.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Done]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def judged(
    batch: pa.Table, inputs: Sequence[Column], attempts: Attempts, job: Job, result: pa.Schema, refused: pa.Schema
) -> tuple[pa.Table, pa.Table]:
    """A batch as predictions and rejects, of the schemas *result* and *refused*."""
    columns, reasons = converted(batch, inputs, job.identifier)
    good = pc.is_null(reasons)
    usable = columns if good.true_count == len(good) else {name: values.filter(good) for name, values in columns.items()}
    values, failed = attempts.predict(usable, good.true_count)
    numbers = pa.array(values)
    ids = batch[job.identifier] if good.true_count == len(good) else batch[job.identifier].filter(good)
    if failed.null_count < len(failed):
        reasons = pc.replace_with_mask(reasons, good, failed)
        kept = pc.is_null(failed)
        ids, numbers = ids.filter(kept), numbers.filter(kept)
    time = pa.repeat(pa.scalar(job.time, result.field("scored_at").type), len(numbers))
    said = pa.table([ids, numbers, pa.repeat(job.version, len(numbers)), time], schema=result)
    if reasons.null_count == len(reasons):
        return said, refused.empty_table()
    return said, pa.table([*batch.filter(pc.is_valid(reasons)).columns, reasons.drop_null()], schema=refused)


class Attempts:
    """A model's numbers for rows of which some may be more than it can take.

    Rows at which the model raises an error are searched for by halves, as many as there are. Only a model that has failed
    `FAILURES` times, and scored no row yet, is given up: it is broken, and not the rows.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor, self._failures, self._has_scored = predictor, 0, False

    def predict(self, columns: Mapping[str, pa.Array], rows: int) -> tuple[Numbers, pa.Array]:
        """A number for each of *rows* rows, and why it cannot be used: null when it can."""
        if not rows:
            return np.empty(0), pa.nulls(0, pa.string())
        try:
            values = self._predictor.predict(columns)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # the model is somebody else's code
            said = f"the model cannot predict: {first_line(error)}"
            self._failures += 1
            if self._failures > FAILURES and not self._has_scored:
                raise InputError(said) from error
            if rows == 1:
                return np.full(1, np.nan), pa.array([said])
            half = rows // 2
            first = self.predict({name: values[:half] for name, values in columns.items()}, half)
            second = self.predict({name: values[half:] for name, values in columns.items()}, rows - half)
            return np.concatenate([first[0], second[0]]), pa.concat_arrays([first[1], second[1]])
        if values.shape != (rows,):
            raise InputError(f"the model returned shape {values.shape} for {rows} rows; expected one number a row")
        self._has_scored = True
        finite = np.isfinite(values)
        reasons = pa.nulls(rows, pa.string())
        return values, reasons if finite.all() else pc.if_else(pa.array(finite), reasons, "no finite prediction")
