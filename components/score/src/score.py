"""Score Parquet data with an MLflow model, batch by batch; rows that cannot be scored are set aside with the reason."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from mlflow.exceptions import MlflowException
from mlflow.types import ColSpec, DataType

PART_ROWS = 1_048_576  # in one output file, at least; the last may have fewer
UNVERSIONED = "unversioned"

# What MLflow's signature enforcement converts without loss, by the type the signature names.
WHOLE = (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16())
ACCEPTED: dict[str, tuple[pa.DataType, ...]] = {
    "boolean": (pa.bool_(),),
    "integer": WHOLE,
    "long": (*WHOLE, pa.int64(), pa.uint32()),
    "float": (pa.float32(),),
    "double": (pa.float64(), pa.float32(), *WHOLE),
    "string": (pa.string(), pa.large_string()),
}
EXACT = {
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
}


class InputError(Exception):
    """The input is not what this step can work with; the message is for its user."""


@dataclass(frozen=True)
class Column:
    """What the model's signature says of one input; *kind* is a key of `ACCEPTED`, or a type that is never accepted."""

    name: str
    kind: str
    required: bool


def columns_of(model: Any) -> tuple[Column, ...]:
    """The inputs of the model's signature, in its order."""
    schema = model.metadata.get_input_schema()
    if schema is None or not schema.has_input_names():
        raise InputError("the model has no signature with named columns, so the data cannot be checked against it")
    return tuple(
        Column(str(column.name), column.type.name if isinstance(column.type, DataType) else str(column.type), column.required)
        for column in schema.inputs
        if isinstance(column, ColSpec)
    )


class Parts:
    """Parquet files ``part-00000.parquet``, … of one schema; at least one, so a reader finds the columns."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.schema, self.rows, self.files = folder, schema, 0, 0
        self.begin()

    def begin(self) -> None:
        path = self.folder / f"part-{self.files:05d}.parquet"
        self.writer, self.in_file = pq.ParquetWriter(path, self.schema, compression="zstd"), 0
        self.files += 1

    def write(self, batch: pa.Table) -> None:
        if not batch.num_rows:
            return
        if self.in_file >= PART_ROWS:
            self.writer.close()
            self.begin()
        self.writer.write_table(batch)
        self.in_file += batch.num_rows
        self.rows += batch.num_rows


def differences(data: pa.Schema, expected: tuple[Column, ...], identifier: str) -> list[str]:
    """What keeps data of this schema from being scored, one sentence each; empty when nothing does.

    A column the signature calls optional may hold nulls, but must be there: a column that is gone altogether is a
    mistake upstream, not a fact about a row.
    """
    found = []
    if identifier not in data.names:
        found.append(f"the id column {identifier!r} is missing")
    for column in expected:
        kind = column.kind
        if column.name not in data.names:
            found.append(f"{column.name!r} is missing ({kind})")
        elif data.field(column.name).type not in ACCEPTED.get(kind, ()):
            found.append(f"{column.name!r} is {data.field(column.name).type}, the model needs {kind}")
    return found


def reasons(batch: pa.Table, expected: tuple[Column, ...], identifier: str) -> pa.Array:
    """Why each row cannot be scored, null for those that can: the first of a missing id, a null, an infinite number."""
    found = pa.nulls(batch.num_rows, pa.string())

    def note(rows: Any, reason: str) -> None:
        nonlocal found
        found = pc.if_else(pc.and_(rows, pc.is_null(found)), reason, found)

    note(batch[identifier].combine_chunks().is_null(), f"no {identifier}")
    for column in expected:
        values = batch[column.name].combine_chunks()
        real = pa.types.is_floating(values.type)
        if column.required:
            # Whole numbers have no NaN, so MLflow's signature cannot carry a null in them to the model.
            note(values.is_null(nan_is_null=real), f"no {column.name}")
        if real:
            note(pc.fill_null(pc.is_inf(values), False), f"{column.name} is infinite")
    return found


def probabilities(model: Any, rows: pa.Table, expected: tuple[Column, ...]) -> npt.NDArray[np.float64]:
    """The probability of the positive class, shape (rows,), from a model that returns it or one column per class."""
    if not rows.num_rows:
        return np.empty(0)
    columns = {column.name: rows[column.name].cast(EXACT.get(column.kind, rows[column.name].type)) for column in expected}
    try:
        found = np.asarray(model.predict(pa.table(columns).to_pandas()), dtype="float64")
    except MlflowException as error:
        raise InputError(f"the model cannot predict: {str(error).splitlines()[0]}") from error
    if found.ndim == 2 and found.shape[1] == 2:
        found = found[:, 1]
    if found.shape != (rows.num_rows,):
        raise InputError(f"the model returned shape {found.shape} for {rows.num_rows} rows; expected one number a row")
    return found


def score(
    model: Any, data: ds.Dataset, predictions: Path, rejects: Path, *, version: str, identifier: str, batch_rows: int
) -> dict[str, float]:
    """Write the predictions and rejects of *data*; their rows together are the rows of *data*, in its order.

    A prediction is the id, ``probability`` (0..1) and ``model_version``; a reject is the whole row and ``reason``.
    """
    expected = columns_of(model)
    if found := differences(data.schema, expected, identifier):
        raise InputError("the data does not fit the model's signature: " + "; ".join(found))
    schema = data.schema.remove_metadata()
    identity = schema.field(identifier)
    result = pa.schema([identity, ("probability", pa.float64()), ("model_version", pa.string())])
    if "reason" in schema.names:
        raise InputError("the data has a column 'reason', which is what rejects are given")

    scored, rejected = Parts(predictions, result), Parts(rejects, schema.append(pa.field("reason", pa.string())))
    # Read-ahead is what makes memory grow with the data; a batch or two in advance is enough to keep busy.
    for piece in data.to_batches(batch_size=batch_rows, batch_readahead=1, fragment_readahead=1):
        batch = pa.table(piece.columns, schema=schema)
        reason = reasons(batch, expected, identifier)
        good = batch.filter(pc.is_null(reason))
        probability = probabilities(model, good, expected)
        usable = pa.array(np.isfinite(probability), pa.bool_())
        kept, failed = good.filter(usable), good.filter(pc.invert(usable))
        scored.write(
            pa.table(
                [
                    kept[identifier],
                    pa.array(probability).filter(usable),
                    pa.repeat(pa.scalar(version, pa.string()), kept.num_rows),
                ],
                schema=result,
            )
        )
        rejected.write(batch.filter(pc.is_valid(reason)).append_column("reason", reason.drop_null()))
        rejected.write(failed.append_column("reason", pa.repeat("no finite prediction", failed.num_rows)))
    scored.writer.close()
    rejected.writer.close()
    return {"rows": scored.rows + rejected.rows, "predictions": scored.rows, "rejects": rejected.rows}


def main() -> None:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model-version", default=UNVERSIONED)
    parser.add_argument("--id-column", required=True)
    parser.add_argument("--batch-rows", type=int, required=True)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--rejects", type=Path, required=True)
    args = parser.parse_args()

    files = sorted(str(path) for path in args.data.rglob("*.parquet"))
    if not files:
        raise InputError(f"{args.data} holds no Parquet file")
    data = ds.dataset(files, format="parquet")
    if not data.count_rows():
        raise InputError(f"{args.data} has no rows")
    try:
        model = mlflow.pyfunc.load_model(str(args.model))
    except MlflowException as error:
        raise InputError(f"{args.model} is not an MLflow model: {str(error).splitlines()[0]}") from error
    counts = score(
        model,
        data,
        args.predictions,
        args.rejects,
        version=args.model_version,
        identifier=args.id_column,
        batch_rows=args.batch_rows,
    )
    if counts["rows"] != data.count_rows():
        raise RuntimeError(f"{data.count_rows()} rows in, {counts['rows']} rows out")
    mlflow.log_metrics(counts)
    print(json.dumps(counts))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"score: {error}")
