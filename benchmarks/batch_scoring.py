"""The sides of the benchmark ``score``, each in a process of its own: ``python benchmarks/batch_scoring.py SIDE ARGUMENT …``.

A process that times what is inside it prints the seconds last: by the clock, and of the processors.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCORE = ROOT / "components" / "score" / "src"
FILE_ROWS = 1_000_000
AGREEMENT = 1e-9


@contextmanager
def timed() -> Iterator[None]:
    """Print what the block took."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(time.perf_counter() - wall, time.process_time() - cpu)


def rows(test: str, folder: str, count: str) -> None:
    """The features of *test*, repeated: with ids of their own, and weather with a jitter, in hundredths as it is measured."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(test).replace_schema_metadata(None)
    real = [field for field in table.schema if pa.types.is_floating(field.type)]
    random = np.random.default_rng(0)
    Path(folder).mkdir()
    writer, written, copy = None, 0, 0
    while written < int(count):
        if writer is None:
            file = Path(folder, f"part-{written // FILE_ROWS:05d}.parquet")
            writer = pq.ParquetWriter(file, table.schema, compression="zstd")
        part = table.slice(0, min(FILE_ROWS - written % FILE_ROWS, int(count) - written))
        ids = pc.binary_join_element_wise(part["flight_id"], str(copy), "/")
        part = part.set_column(part.schema.get_field_index("flight_id"), "flight_id", ids)
        for field in real:
            values = np.round(part[field.name].to_numpy() + random.normal(0, 0.1, part.num_rows), 2)
            moved = pa.array(values, field.type, from_pandas=True)
            part = part.set_column(part.schema.get_field_index(field.name), field, moved)
        writer.write_table(part)
        written, copy = written + part.num_rows, copy + 1
        if not written % FILE_ROWS:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()


def naive(model: str, data: str, out: str) -> None:
    """What somebody writes first: pandas reads, LightGBM predicts, pandas writes."""
    import mlflow.lightgbm
    import pandas as pd

    booster = mlflow.lightgbm.load_model(model)
    frame = pd.read_parquet(data)
    frame["probability"] = booster.predict(frame[booster.feature_name()])
    frame[["flight_id", "probability"]].to_parquet(out)


def pyfunc(model: str, data: str, out: str) -> None:
    """The same with MLflow's own interface, which checks the signature."""
    import mlflow.pyfunc
    import pandas as pd

    loaded = mlflow.pyfunc.load_model(model)
    frame = pd.read_parquet(data)
    frame["probability"] = loaded.predict(frame[loaded.metadata.get_input_schema().input_names()])
    frame[["flight_id", "probability"]].to_parquet(out)


def arrays(model: str, data: str) -> None:
    """LightGBM's own predict of an array that is in memory: the seconds of that alone."""
    import lightgbm
    import numpy as np
    import pyarrow.parquet as pq

    booster = lightgbm.Booster(model_file=str(Path(model, "model.lgb")))
    files = sorted(Path(data).iterdir())
    matrix = np.empty((sum(pq.read_metadata(file).num_rows for file in files), len(booster.feature_name())))
    start = 0
    for file in files:
        table = pq.read_table(file, columns=booster.feature_name())
        for position, name in enumerate(booster.feature_name()):
            matrix[start : start + table.num_rows, position] = table[name].to_numpy()
        start += table.num_rows
    booster.predict(matrix[:1000])
    with timed():
        booster.predict(matrix)


def interpreted(model: str, data: str, out: str) -> None:
    """The component's own loop from files to files, with LightGBM itself: the seconds from the first row to the last file."""
    sys.path.insert(0, str(SCORE))
    import batches
    import compiled
    import predictor
    import scoring

    compiled.plan = lambda booster, rows: None
    found = batches.source(Path(data))
    loaded = predictor.load(Path(model), found.rows)
    job = scoring.Job(identifier="flight_id", version="1", time=datetime.now(timezone.utc), batch_rows=65536)
    with timed():
        scoring.score(found, loaded, job, Path(out, "predictions"), Path(out, "rejects"))


def same(first: str, second: str) -> None:
    """Two folders or files of predictions have the same ids in the same order, and the same predictions."""
    import numpy as np
    import pyarrow.parquet as pq

    ids = [pq.read_table(place, columns=["flight_id"])["flight_id"] for place in (first, second)]
    if not ids[0].equals(ids[1]):
        sys.exit(f"{first} and {second} have other rows")
    del ids
    numbers = [pq.read_table(place, columns=["probability"])["probability"].to_numpy() for place in (first, second)]
    apart = float(np.abs(numbers[0] - numbers[1]).max())
    if not apart <= AGREEMENT:
        sys.exit(f"{first} and {second} are up to {apart:.1g} apart")


SIDES: Mapping[str, Callable[..., None]] = {
    "rows": rows, "naive": naive, "pyfunc": pyfunc, "arrays": arrays, "interpreted": interpreted, "same": same,
}

if __name__ == "__main__":
    SIDES[sys.argv[1]](*sys.argv[2:])
