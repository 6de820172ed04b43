"""Scores with LightGBM's own Booster in an MLflow model: Azure ML calls ``init()`` once, and ``run()`` for each request.

Rows go from JSON into one array and to the booster: neither MLflow nor pandas is loaded. For columns of plain numbers in the
booster's own order, and models of one number a row or one for each class; ``score_pyfunc.py`` takes all others.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from mlops_azure import rawhttp, respond
from mlops_requests import Batch
from mlops_service import Model, Predict, Service, start

# LightGBM imports these where they are installed, and does without where they are not: three seconds and 130 MB of a start.
_NEEDLESS = ("cffi", "dask", "graphviz", "matplotlib", "pandas", "pyarrow", "sklearn")
_FEW = 1024  # rows for which starting threads costs more than they bring
_service: Service


@contextlib.contextmanager
def _absent(names: tuple[str, ...]) -> Iterator[None]:
    """Meanwhile these cannot be imported, unless they have been."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None there is Python's own way to say so
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def load(model: Model) -> Predict:
    import numpy as np

    with _absent(_NEEDLESS):
        import lightgbm

    names = [column.name for column in model.signature.columns]
    booster = lightgbm.Booster(model_file=str(model.folder / model.flavors["lightgbm"]["data"]))
    if booster.feature_name() != names or booster.pandas_categorical:
        raise ValueError("this booster wants more than numbers in the order of the signature: serve it with score_pyfunc.py")

    def predict(batch: Batch) -> Any:
        rows = np.column_stack([batch.columns[name] for name in names]).astype("float64", copy=False)
        return booster.predict(rows, num_threads=1 if batch.rows < _FEW else 0)

    return predict


def init() -> None:
    global _service  # what Azure ML's contract leaves: two functions and nothing between them
    _service = start(load)


@rawhttp
def run(request: Any) -> Any:
    return respond(_service.answer(request))

