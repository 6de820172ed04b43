"""An MLflow model as a function from columns to one number a row, by the shortest way that its kind allows."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import compiled
import mlflow.pyfunc
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from columns import Column, InputError
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.types import ColSpec, DataType

Columns = Mapping[str, pa.Array]
Numbers = npt.NDArray[np.float64]


class Predictor(Protocol):
    """What scores rows. The probability of the positive class, or whatever one number the model gives.

    Attributes:
        workers: How many threads may call `predict` at once.
    """

    workers: int

    def predict(self, columns: Columns) -> Numbers: ...


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to score.

    Attributes:
        columns: The inputs of its signature, in its order.
        identity: What names it when no version is given: the id in its MLmodel file.
    """

    columns: tuple[Column, ...]
    identity: str
    predictor: Predictor


def load(path: Path, rows: int = 0) -> Loaded:
    """The model in the folder *path*, made ready for about so many *rows*.

    Raises:
        InputError: it is none, or has no signature with named columns.
    """
    try:
        description = Model.load(str(path))
    except (MlflowException, OSError) as error:
        raise InputError(f"{path} is not an MLflow model: {first_line(error)}") from error
    columns = columns_of(description)
    booster = native(description, path, columns)
    if booster is not None:
        return Loaded(columns, description.model_uuid, Trees(booster, [column.name for column in columns], rows))
    try:
        model = mlflow.pyfunc.load_model(str(path))
    except MlflowException as error:
        raise InputError(f"{path} cannot be loaded: {first_line(error)}") from error
    return Loaded(columns, description.model_uuid, Generic(model))


def columns_of(description: Any) -> tuple[Column, ...]:
    """The inputs of the model's signature, in its order."""
    schema = description.get_input_schema()
    if schema is None or not schema.has_input_names():
        raise InputError("the model has no signature with named columns, so the data cannot be checked against it")
    return tuple(
        Column(str(one.name), one.type.name if isinstance(one.type, DataType) else str(one.type), bool(one.required))
        for one in schema.inputs
        if isinstance(one, ColSpec)
    )


def native(description: Any, path: Path, columns: Sequence[Column]) -> Any:
    """LightGBM's own booster, when rows of plain numbers in the signature's order are exactly what it takes; or None.

    Otherwise (categories of pandas, several classes, scikit-learn's wrapper) MLflow's way is the right one.
    """
    flavor = description.flavors.get("lightgbm", {})
    numbers = all(column.kind in ("boolean", "integer", "long", "float", "double") for column in columns)
    if flavor.get("model_class") != "lightgbm.basic.Booster" or not numbers:
        return None
    import lightgbm

    booster = lightgbm.Booster(model_file=str(path / flavor["data"]))
    same = booster.feature_name() == [column.name for column in columns]
    return booster if same and not booster.pandas_categorical and booster.num_model_per_iteration() == 1 else None


class Generic:
    """Any MLflow model, through its own checks and a pandas frame; nobody knows whether two threads may use it at once."""

    workers = 1

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, columns: Columns) -> Numbers:
        said = np.asarray(self._model.predict(pa.table(dict(columns)).to_pandas()))
        try:
            found = said.astype("float64")
        except (TypeError, ValueError) as error:
            raise InputError(f"the model returned no numbers, but {str(said.flat[0])!r}; expected one number a row") from error
        return found[:, -1] if found.ndim == 2 and found.shape[1] in (1, 2) else found  # a column, or one for each class


class Trees:
    """LightGBM trees over one array of float64, which is all the conversion there is; compiled when that pays.

    Each call takes one thread: several batches at once use the cores better than several threads for one batch, of which
    all wait for the slowest, and for what is done between two batches.
    """

    def __init__(self, booster: Any, names: Sequence[str], rows: int) -> None:
        self.workers = compiled.threads()
        self._booster, self._names = booster, names
        self._compiled: compiled.Compiled | None = None
        self._plan: compiled.Plan | None = compiled.plan(booster, rows)
        self._preparing = threading.Lock()

    def predict(self, columns: Columns) -> Numbers:
        rows = self.matrix(columns)
        with self._preparing:
            if self._plan is not None:  # with the first rows, because agreement is judged on rows as they come
                self._compiled, told = compiled.prepare(self._plan, self._booster, rows)
                self._plan = None
                print(f"score: {told}", file=sys.stderr)
        if self._compiled is not None:
            return self._compiled.predict(rows)
        return np.asarray(self._booster.predict(rows, num_threads=1), dtype="float64")

    def matrix(self, columns: Columns) -> Numbers:
        """The columns side by side; what is missing is NaN."""
        rows = np.empty((len(columns[self._names[0]]), len(self._names)))
        for position, name in enumerate(self._names):
            rows[:, position] = columns[name].to_numpy(zero_copy_only=False)
        return rows


def first_line(error: BaseException) -> str:
    """The message of an error that others wrote, short enough for ours."""
    return (str(error).splitlines() or [type(error).__name__])[0]
