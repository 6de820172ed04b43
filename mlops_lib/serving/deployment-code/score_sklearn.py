"""Scores with a scikit-learn estimator in an MLflow model: Azure ML calls ``init()`` once, and ``run()`` for each request.

Of the probabilities of two classes the second is the prediction, as in batch scoring.
"""

import os
import sys
from typing import Any

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from mlops_azure import rawhttp, respond
from mlops_requests import Batch
from mlops_service import Model, Predict, Service, start

_service: Service


def load(model: Model) -> Predict:
    import mlflow.sklearn

    estimator = mlflow.sklearn.load_model(str(model.folder))
    named = model.flavors["python_function"].get("predict_fn", "predict")
    function = getattr(estimator, named)

    def predict(batch: Batch) -> Any:
        found = function(batch.frame())
        return found[:, 1] if named == "predict_proba" and found.shape[1:] == (2,) else found

    return predict


def init() -> None:
    global _service  # what Azure ML's contract leaves: two functions and nothing between them
    _service = start(load)


@rawhttp
def run(request: Any) -> Any:
    return respond(_service.answer(request))

