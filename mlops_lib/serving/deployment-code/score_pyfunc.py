"""Scores with any MLflow model: Azure ML calls ``init()`` once, and ``run()`` for each request."""

import os
import sys
from typing import Any

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from mlops_azure import rawhttp, respond
from mlops_requests import Batch
from mlops_service import Model, Predict, Service, start

_service: Service


def load(model: Model) -> Predict:
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(str(model.folder))

    def predict(batch: Batch) -> Any:
        data = batch.frame() if model.signature.columns else batch.tensors
        if list(batch.tensors) == [""]:
            data = batch.tensors[""]
        return loaded.predict(data, params=dict(batch.params)) if model.signature.params else loaded.predict(data)

    return predict


def init() -> None:
    global _service  # what Azure ML's contract leaves: two functions and nothing between them
    _service = start(load)


@rawhttp
def run(request: Any) -> Any:
    return respond(_service.answer(request))

