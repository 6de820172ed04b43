"""The scoring scripts of deployments: for the same rows, what batch scoring gives."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest

from mlops_lib.serving import code
from mlops_lib.serving.servable import read, request_of

ROWS = 200


class Request:
    """What a service needs of Flask's requests."""

    method, content_type = "POST", "application/json"

    def __init__(self, body: Any) -> None:
        self._body = json.dumps(body).encode()
        self.headers = {"Content-Length": str(len(self._body))}

    def get_data(self) -> bytes:
        return self._body


@pytest.fixture(scope="module")
def script() -> Iterator[Callable[[str], ModuleType]]:
    """A scoring script as a module; of Azure ML's server it only wants names, until ``run()`` is called."""
    package = "azureml_inference_server_http.api"
    names = ("azureml_inference_server_http", package, f"{package}.aml_request", f"{package}.aml_response")
    with pytest.MonkeyPatch.context() as patch:
        stand_ins = {name: ModuleType(name) for name in names}
        for name, module in stand_ins.items():
            patch.setitem(sys.modules, name, module)
        patch.setattr(stand_ins[package], "aml_request", stand_ins[names[2]], raising=False)
        patch.setattr(stand_ins[names[2]], "rawhttp", lambda run: run, raising=False)
        patch.setattr(stand_ins[names[3]], "AMLResponse", None, raising=False)
        yield code.module


@pytest.mark.parametrize("kind", ["its own", "pyfunc"])
@pytest.mark.parametrize("trainer", ["train_lightgbm", "train_hist_gradient_boosting", "train_logistic"])
def test_online_predictions_are_those_of_batch_scoring(
    component: Callable[..., ModuleType],
    script: Callable[[str], ModuleType],
    models: dict[str, Path],
    parts: dict[str, Path],
    trainer: str,
    kind: str,
) -> None:
    component("score", "scoring")
    batch = component("score", "predictor").load(models[trainer])
    rows = pq.read_table(parts["test"]).slice(0, ROWS).select([column.name for column in batch.columns])
    columns = {column.name: rows[column.name].combine_chunks() for column in batch.columns}
    expected = batch.predictor.predict(columns).tolist()
    assert any(values.null_count for values in columns.values()), "a gap is among the rows"

    model = read(models[trainer], "flights", "1")
    assert model.kind == ("lightgbm" if trainer == "train_lightgbm" else "sklearn")
    load = script(f"score_{model.kind if kind == 'its own' else kind}").load
    environ = {"AZUREML_MODEL_DIR": str(models[trainer]), "MLOPS_MODEL": "flights:1"}
    service = code.module("mlops_service").start(load, environ)
    assert service.answer(Request(request_of(model))).status == 200
    records = [{name: value for name, value in row.items() if value is not None} for row in rows.to_pylist()]
    split = {"columns": rows.column_names, "data": [list(row.values()) for row in rows.to_pylist()]}
    for body in ({"dataframe_records": records}, {"dataframe_split": split}):
        answer = service.answer(Request(body))
        assert answer.status == 200
        found = answer.body["predictions"]
        if kind == "pyfunc" and trainer != "train_lightgbm":
            found = [row[1] for row in found]  # both probabilities, as the model gives them
        assert found == expected

