"""What runs a batch deployment's scoring script in a parallel step, or a model of MLflow's that has none.

A stand-alone script, put beside the deployment's code as the step's entry script, for Python 3.8 or newer. The scoring script
finds the folder for what it writes itself in ``AZUREML_BI_OUTPUT_PATH``, as on Azure ML.
"""

from __future__ import annotations

import csv
import importlib
import io
import os
import sys
from typing import Any


class _Model:
    """A model of MLflow's: a line for each row of each file, of its number, the prediction and the file's name, as CSV."""

    def __init__(self) -> None:
        import mlflow.pyfunc

        folders = os.walk(os.environ["AZUREML_MODEL_DIR"], followlinks=True)
        self._model = mlflow.pyfunc.load_model(next(folder for folder, _, files in folders if "MLmodel" in files))

    def __call__(self, files: Any) -> list[str]:
        import pandas

        readers: dict[str, Any] = {".csv": pandas.read_csv, ".json": pandas.read_json, ".parquet": pandas.read_parquet,
                                   ".pqt": pandas.read_parquet}
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        for file in map(str, files):
            name, ending = os.path.basename(file), os.path.splitext(file)[1].lower()
            if ending not in readers:
                raise ValueError(f"{name} is of no kind that a model of MLflow's is given: {', '.join(sorted(readers))}")
            predicted = self._model.predict(readers[ending](file))
            values = predicted.to_dict("records") if isinstance(predicted, pandas.DataFrame) else list(predicted)
            lines.writerows([row, getattr(value, "tolist", lambda value=value: value)(), name]
                            for row, value in enumerate(values))
        return text.getvalue().splitlines()


class _Script:
    """A scoring script, by its path below this file's folder."""

    def __init__(self, path: str) -> None:
        folder, name = os.path.split(os.path.join(os.path.dirname(os.path.abspath(__file__)), path))
        sys.path.insert(0, folder)
        self._module = importlib.import_module(os.path.splitext(name)[0])
        self._module.init()

    def __call__(self, files: Any) -> Any:
        return self._module.run(files)


_scorer: list[Any] = []


def init() -> None:
    """Load the script, or the model."""
    os.environ.setdefault("AZUREML_BI_OUTPUT_PATH", os.environ.get("AZURE_ML_OUTPUT_score", ""))  # noqa: SIM112 - the output's name
    script = os.environ.pop("MLOPS_BATCH_SCRIPT", "")
    _scorer[:] = [_Script(script) if script else _Model()]


def run(mini_batch: Any) -> Any:
    """What the script, or the model, makes of a mini-batch."""
    return _scorer[0](mini_batch)
