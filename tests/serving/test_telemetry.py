"""mlops_telemetry: what is told of requests, by OpenTelemetry's own exporters; and what never is."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .tiny import COLUMNS

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Request:
    method, content_type = "POST", "application/json"

    def __init__(self, body: Any) -> None:
        self._body = json.dumps(body).encode()
        self.headers = {"Content-Length": str(len(self._body)), "Traceparent": PARENT}

    def get_data(self) -> bytes:
        return self._body


@pytest.fixture(scope="module")
def telemetry(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("mlops_telemetry")


@pytest.fixture
def serve(module: Callable[[str], ModuleType], signatures: ModuleType) -> Callable[[Any], Any]:
    def make(telemetry: Any) -> Any:
        signature = signatures.read_signature({"signature": {"inputs": json.dumps(COLUMNS)}})

        def predict(batch: Any) -> Any:
            if batch.rows == 4:
                raise RuntimeError("boom")
            return [0.25, float("nan"), 0.75][: batch.rows]

        return module("mlops_service").Service(signature, predict, "flights:3", telemetry=telemetry)

    return make


def test_requests_latency_errors_and_predictions_are_told_but_no_row(
    telemetry: ModuleType, serve: Any, tmp_path: Path
) -> None:
    file = tmp_path / "told.jsonl"
    told = telemetry.from_environment({"MLOPS_TELEMETRY": str(file), "MLOPS_TELEMETRY_SECONDS": "3600"}, "flights:3")
    service = serve(told)
    assert service.answer(Request({"data": [[1, 4321.5, None]] * 3})).status == 200
    assert service.answer(Request({"data": [["carrier-77", 4321.5, None]], "x-secret": 1})).status == 400
    assert service.answer(Request({"data": [["carrier-77", "far", None]]})).status == 400
    assert service.answer(Request({"data": [[1, 4321.5, None]] * 4})).status == 500
    told.close()

    text = file.read_text()
    for secret in ("4321", "carrier-77", "x-secret", "far", "boom"):
        assert secret not in text
    lines = [json.loads(line) for line in text.splitlines()]
    spans = [line for line in lines if "context" in line]
    [metrics] = [line for line in lines if "resource_metrics" in line]
    [scope] = metrics["resource_metrics"][0]["scope_metrics"]
    points = {metric["name"]: metric["data"]["data_points"] for metric in scope["metrics"]}
    assert {point["attributes"]["status"]: point["value"] for point in points["mlops.requests"]} == {200: 1, 400: 2, 500: 1}
    assert sum(point["count"] for point in points["mlops.latency"]) == 4
    [count], [total] = points["mlops.predictions"], points["mlops.predictions.sum"]
    assert (count["value"], total["value"], count["attributes"]) == (2, 1.0, {"model": "flights:3"})
    counted = {point["attributes"]["up_to"]: point["value"] for point in points["mlops.predictions.bucket"]}
    assert counted == {"0.25": 1, "0.75": 1}
    assert points["mlops.predictions.missing"][0]["value"] == 1
    assert metrics["resource_metrics"][0]["resource"]["attributes"]["mlops.model.version"] == "3"

    assert [span["attributes"]["status"] for span in spans] == [200, 400, 400, 500]
    assert {span["parent_id"] for span in spans} == {"0xb7ad6b7169203331"}
    assert [span["attributes"].get("fields") for span in spans] == [None, None, ["carrier", "distance"], None]
    assert [span["status"]["status_code"] for span in spans] == ["UNSET", "UNSET", "UNSET", "ERROR"]


def test_nothing_is_told_unless_somebody_asked(telemetry: ModuleType) -> None:
    assert isinstance(telemetry.from_environment({}, "m:1"), telemetry.Silent)


def test_where_it_cannot_be_told_the_model_is_served_all_the_same(
    telemetry: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"MLOPS_TELEMETRY": str(tmp_path / "no" / "where")}
    assert isinstance(telemetry.from_environment(gone, "m:1"), telemetry.Silent)
    assert "mlops: no telemetry: FileNotFoundError" in capsys.readouterr().out
    secret = {"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=00000000-1111"}
    monkeypatch.setitem(__import__("sys").modules, "azure.monitor.opentelemetry.exporter", None)
    assert isinstance(telemetry.from_environment(secret, "m:1"), telemetry.Silent)
    said = capsys.readouterr().out
    assert "mlops: no telemetry: ModuleNotFoundError" in said
    assert "1111" not in said


def test_a_failure_to_tell_touches_no_answer(telemetry: ModuleType, serve: Any, tmp_path: Path) -> None:
    told = telemetry.from_environment({"MLOPS_TELEMETRY": str(tmp_path / "told")}, "m:1")
    told._requests = None
    assert serve(told).answer(Request({"data": [[1, 2, 3]]})).status == 200
    told.close()
