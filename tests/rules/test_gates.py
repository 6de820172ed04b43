from typing import Any

import pytest

from mlops_lib.document import Table, parse
from mlops_lib.errors import Finding
from mlops_lib.evidence import Evidence
from mlops_lib.gate import Confidence, Gate, Limits, SliceLimit
from mlops_lib.promote import decide
from mlops_lib.rules.gates import check_gate
from mlops_lib.spec import KINDS, Report
from mlops_lib.sweep import Goal

OBJECTIVE = "objective: {primary_metric: log_loss, goal: minimize}\n"


def checked(text: str) -> tuple[Any, list[Finding]]:
    report, value = Report(), parse(text, "gates/g.yml")
    KINDS["gate"].check(value, report, "")
    if isinstance(value, Table):
        check_gate(value, report)
    return value, report.findings


def gate(text: str) -> Gate:
    value, findings = checked(text)
    assert not findings
    return Gate.from_document(value)


def test_what_is_written_is_read() -> None:
    found = gate(
        OBJECTIVE
        + "required: [brier]\n"
        + "thresholds: {log_loss: {max: 0.5}, roc_auc: {min: 0.6, max: 0.9}}\n"
        + "improvement: {absolute: 0.001, relative: 0.01}\n"
        + "confidence: {level: 0.9, loss: brier, resamples: 500, seed: 7}\n"
        + "slices: {by: [carrier, origin], metric: roc_auc, goal: maximize, worse: 0.02, min_rows: 100}\n"
        + "data: {rows: {min: 10}, labels: {1: {min: 0.1}}, columns: {carrier: int32}}\n"
        + "latency: {row_ms: 5, rows_per_second: 1000}\nsize: {megabytes: 0.5}\ntags: {owner: ml, stage: 3}\n"
        + "signature: {carrier: integer}\n"
    )
    assert found == Gate(
        metric="log_loss",
        goal=Goal.MINIMIZE,
        required=("brier",),
        thresholds={"log_loss": Limits(high=0.5), "roc_auc": Limits(0.6, 0.9)},
        absolute=0.001,
        relative=0.01,
        confidence=Confidence(loss="brier", level=0.9, resamples=500, seed=7),
        slices=SliceLimit(by=("carrier", "origin"), metric="roc_auc", goal=Goal.MAXIMIZE, worse=0.02, min_rows=100),
        rows=Limits(10),
        labels={"1": Limits(0.1)},
        columns={"carrier": "int32"},
        row_ms=5,
        rows_per_second=1000,
        max_bytes=2**19,
        tags={"owner": "ml", "stage": "3"},
        signature={"carrier": "integer"},
    )


def test_a_size_that_no_model_has_is_no_limit() -> None:
    found = gate(OBJECTIVE + "size: {megabytes: 1.0e+308}\n")
    model = Evidence(model="m", digest="d", size=2**50)
    [size] = [check for check in decide(found, model, None).checks if check.name == "size"]
    assert (size.passed, size.values["limit"]) == (True, "inf")


def test_a_metric_of_slices_is_the_better_way_round_that_its_own_goal_says() -> None:
    text = "objective: {primary_metric: roc_auc, goal: maximize}\nslices: {by: [a], worse: 0, metric: log_loss, goal: minimize}\n"
    assert gate(text).slices == SliceLimit(by=("a",), metric="log_loss", goal=Goal.MINIMIZE, worse=0)


def test_what_is_not_written_is_not_asked_for() -> None:
    assert gate(OBJECTIVE) == Gate(metric="log_loss", goal=Goal.MINIMIZE)
    found = gate(OBJECTIVE + "confidence: {}\nslices: {by: [a], worse: 0}\ntags: [owner]\ndata: {columns: [a]}\n")
    assert found.confidence == Confidence(loss="log_loss")
    assert found.slices == SliceLimit(by=("a",), metric="log_loss", goal=Goal.MINIMIZE, worse=0)
    assert (found.tags, found.columns) == ({"owner": None}, {"a": None})


def test_a_signature_is_any_the_champions_or_a_list_of_inputs() -> None:
    assert (gate(OBJECTIVE).signature, gate(OBJECTIVE + "signature: required").signature) == (None, {})
    found = gate(OBJECTIVE + "signature: champion")
    assert (found.signature, found.signature_of_champion) == ({}, True)


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "words"),
    [
        ("objective: {goal: minimize}\n", "missing-key", 1, 12, "objective lacks 'primary_metric'"),
        ("required: [a]\n", "missing-key", 1, 1, "a gate lacks 'objective'"),
        ("objective: {goal: minimise, primary_metric: a}\n", "wrong-value", 1, 19, "did you mean 'minimize'?"),
        (OBJECTIVE + "treshold: {}\n", "unknown-key", 2, 1, "did you mean 'thresholds'?"),
        (OBJECTIVE + "thresholds: {a: 3}\n", "wrong-type", 2, 17, "must be a mapping"),
        (OBJECTIVE + "thresholds: {a: {}}\n", "bad-gate", 2, 17, "limits nothing"),
        (OBJECTIVE + "thresholds: {a: {min: 2, max: 1}}\n", "bad-gate", 2, 23, "nothing is both"),
        (OBJECTIVE + "thresholds: {a: {min: .nan}}\n", "wrong-type", 2, 23, "must be a number"),
        (OBJECTIVE + "thresholds: {a: {min: '${{x}}'}}\n", "bad-gate", 2, 23, "is an expression"),
        (OBJECTIVE + "improvement: {relative: -1}\n", "out-of-range", 2, 25, "at least 0"),
        (OBJECTIVE + "confidence: {level: 95}\n", "out-of-range", 2, 21, "below 1"),
        (OBJECTIVE + "confidence: {resamples: 1000000}\n", "out-of-range", 2, 25, "at most 100,000"),
        (OBJECTIVE + "confidence: {resamples: 3}\n", "out-of-range", 2, 25, "at least 100"),
        (OBJECTIVE + "confidence: {level: 0.999}\n", "out-of-range", 2, 21, "write resamples: 5000"),
        (OBJECTIVE + "confidence: {level: 0.99, resamples: 100}\n", "out-of-range", 2, 21, "1 of them would decide"),
        (OBJECTIVE + "confidence: {level: 0.999999}\n", "out-of-range", 2, 21, "at most 0.9999"),
        ("objective: {goal: maximize, primary_metric: a}\nconfidence: {}\n", "bad-gate", 2, 13, "names no loss"),
        (OBJECTIVE + "slices: {by: [], worse: 1}\n", "bad-gate", 2, 14, "is an empty list"),
        (OBJECTIVE + "slices: {by: [a, a], worse: 1}\n", "bad-gate", 2, 18, "'a' twice"),
        (OBJECTIVE + "slices: {by: [a]}\n", "missing-key", 2, 9, "slices lacks 'worse'"),
        (OBJECTIVE + "slices: {by: [a], worse: 1, metric: roc_auc}\n", "bad-gate", 2, 37, "do not say its goal"),
        (OBJECTIVE + "slices: {by: [a], worse: 1, goal: maximize}\n", "bad-gate", 2, 35, "the objective is to minimize it"),
        (OBJECTIVE + "data: {rows: {min: 9, max: 1}}\n", "bad-gate", 2, 20, "nothing is both"),
        (OBJECTIVE + "data: {labels: {a: {max: 40}}}\n", "out-of-range", 2, 26, "a share of the rows"),
        (OBJECTIVE + "size: {megabytes: -1}\n", "out-of-range", 2, 19, "at least 0"),
        (OBJECTIVE + "thresholds: {}\n", "bad-gate", 2, 13, "thresholds is empty, and so checks nothing"),
        (OBJECTIVE + "tags: {}\n", "bad-gate", 2, 7, "remove the key"),
        (OBJECTIVE + "data: {labels: {}}\n", "bad-gate", 2, 16, "data.labels is empty"),
        (OBJECTIVE + "signature: {carrier: int32}\n", "bad-gate", 2, 22, "no model has an input of that type"),
        (OBJECTIVE + "signature: any\n", "wrong-value", 2, 12, "one of champion, required"),
        ("- a\n", "wrong-type", 1, 1, "a gate must be a mapping"),
    ],
)
def test_each_mistake_has_its_place(text: str, code: str, line: int, column: int, words: str) -> None:
    _, findings = checked(text)
    [finding] = findings
    assert (finding.code, finding.place.line, finding.place.column) == (code, line, column)
    assert words in str(finding)


def test_every_mistake_of_a_file_is_told() -> None:
    _, findings = checked("objective: {goal: up, primary_metric: a}\nthresholds: {a: {}}\nsizes: 3\n")
    assert len(findings) == 3
