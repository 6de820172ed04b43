import math

import pytest

from mlops_lib.evidence import DataFacts, Signature, evidence_of, signature_of


def test_an_evaluation_is_read() -> None:
    found = evidence_of({
        "test": {"digest": "sha256:1", "rows": 10, "labels": {"0": 6, "1": 4}, "columns": {"a": "int32"}},
        "models": {"m": {
            "digest": "abc", "size": 7, "metrics": {"loss": 0.5, "auc": None}, "latency": {"row_ms": 2, "rows_per_second": 5},
            "slices": [{"by": "a", "value": "x", "rows": 3, "metrics": {"loss": None}}]}},
    }, "m")
    assert (found.digest, found.size, found.row_ms, found.rows_per_second) == ("abc", 7, 2, 5)
    assert found.data == DataFacts(digest="sha256:1", rows=10, labels={"0": 6, "1": 4}, columns={"a": "int32"})
    assert found.metrics["loss"] == 0.5
    assert math.isnan(found.metrics["auc"])
    assert math.isnan(found.slices[0].metrics["loss"])


def test_of_two_slices_of_one_value_none_is_believed() -> None:
    part = {"by": "a", "value": "x", "rows": 3, "metrics": {"loss": 0.9}}
    told = {"test": {"digest": "d", "rows": 6}, "models": {"m": {"digest": "abc", "metrics": {}, "slices": [part, part]}}}
    with pytest.raises(ValueError, match="m has two slices of a x"):
        evidence_of(told, "m")


def test_a_signature_is_read_as_mlflow_writes_it() -> None:
    assert signature_of({"flavors": {}}) is None
    assert signature_of({"signature": {
        "inputs": '[{"type": "integer", "name": "a", "required": true}, {"type": "double"}]',
        "outputs": '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]', "params": None}}) == Signature(
            inputs={"a": "integer", "1": "double"}, outputs={"0": "tensor float64[-1]"})
