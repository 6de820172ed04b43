import dataclasses
import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.evidence import DataFacts, Evidence, Signature, Slice
from mlops_lib.gate import Confidence, Gate, Limits, SliceLimit, shown
from mlops_lib.promote import Check, Decision, approval, decide, way
from mlops_lib.sweep import Goal

DATA = DataFacts(digest="sha256:" + "d" * 64, rows=1000, labels={"0": 800, "1": 200}, columns={"a": "int32", "b": "double"})
SMALL = dataclasses.replace(DATA, rows=102)
PLAIN = Gate(metric="loss", goal=Goal.MINIMIZE)


def model(name: str = "new", **metrics: float) -> Evidence:
    return Evidence(model=name, digest=name, data=DATA, metrics=metrics or {"loss": 0.4})


def told(decision: Decision) -> dict[str, str]:
    """What was refused, and why."""
    return {check.name: check.told for check in decision.checks if not check.passed}


# --- one thing at a time ---------------------------------------------------------------------------------------------


def test_the_first_model_of_a_stage_needs_no_champion() -> None:
    decision = decide(PLAIN, model(loss=0.4), None)
    assert decision.passed
    assert [str(check) for check in decision.checks] == [
        "passed  evidence: measured on 1,000 rows of sha256:dddddddddddd",
        "passed  metrics: loss is there and finite",
        "passed  improvement: there is no champion yet; loss is 0.4",
    ]


def test_better_passes_and_equal_or_worse_does_not() -> None:
    champion = model("old", loss=0.4)
    assert decide(PLAIN, model(loss=0.39), champion).passed
    assert told(decide(PLAIN, model(loss=0.4), champion)) == {
        "improvement": "loss is 0.4, the champion's 0.4: a tie keeps the champion"}
    assert told(decide(PLAIN, model(loss=0.41), champion)) == {
        "improvement": "loss is 0.41, the champion's 0.4: worse by 0.01"}
    gate = dataclasses.replace(PLAIN, goal=Goal.MAXIMIZE)
    assert decide(gate, model(loss=0.41), champion).passed
    assert not decide(gate, model(loss=0.39), champion).passed


def test_the_larger_of_the_absolute_and_the_relative_improvement_is_needed() -> None:
    champion = model("old", loss=2.0)
    for absolute, relative, needed in ((0.5, 0.1, 0.5), (0.1, 0.5, 1.0)):
        gate = dataclasses.replace(PLAIN, absolute=absolute, relative=relative)
        assert decide(gate, model(loss=2.0 - needed), champion).passed
        refused = told(decide(gate, model(loss=2.0 - needed + 0.01), champion))
        assert refused["improvement"].endswith(f"must be better by {needed:g}")


def test_a_share_of_a_value_below_0_is_an_improvement_as_well() -> None:
    gate = dataclasses.replace(PLAIN, goal=Goal.MAXIMIZE, relative=0.1)
    champion = model("old", loss=-2.0)
    assert "must be better by 0.2" in told(decide(gate, model(loss=-1.9), champion))["improvement"]
    assert decide(gate, model(loss=-1.8), champion).passed


@pytest.mark.parametrize(("new", "old", "needed", "passed", "words"), [
    (0.0, -0.0, 0.0, False, "a tie"), (-0.0, 0.0, 0.0, False, "a tie"), (5e-324, 1e-323, 0.0, True, "better by 4.94066e-324"),
    (-1e308, 1e308, 0.0, True, "better by more than a number can say"), (1e308, -1e308, 0.0, False, "worse by more than"),
    (0.2, 0.3, 0.1, True, "better by 0.1"), (0.2001, 0.3, 0.1, False, "better by 0.0999"),
])  # fmt: skip
def test_numbers_at_the_edges_are_compared_as_people_would(new: float, old: float, needed: float, passed: bool, words: str) -> None:
    decision = decide(dataclasses.replace(PLAIN, absolute=needed), model(loss=new), model("old", loss=old))
    assert (decision.passed, words in decision.checks[-1].told) == (passed, True)
    json.dumps(decision.to_dict(), allow_nan=False)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("goal", list(Goal))
def test_what_is_not_finite_is_refused_on_either_side(value: float, goal: Goal) -> None:
    gate = dataclasses.replace(PLAIN, goal=goal)
    assert not decide(gate, model(loss=value), None).passed
    assert not decide(gate, model(loss=value), model("old", loss=0.4)).passed
    assert not decide(gate, model(loss=0.4), model("old", loss=value)).passed
    assert "other is not finite" in told(decide(gate, model(loss=0.4, other=value), None))["metrics"]


def test_what_is_missing_is_refused_on_either_side() -> None:
    assert told(decide(PLAIN, model(other=1), None))["metrics"] == "there is no loss"
    assert told(decide(dataclasses.replace(PLAIN, required=("b", "a")), model(), None)) == {"metrics": "there is no a, b"}
    assert "missing" in told(decide(PLAIN, model(), model("old", other=1)))["improvement"]
    nothing = Evidence(model="gone", digest="x", why="no evaluation knows it")
    assert told(decide(PLAIN, nothing, None))["evidence"] == "gone was not measured: no evaluation knows it"
    assert told(decide(PLAIN, model(), nothing))["same data"] == (
        "the champion gone was not measured: no evaluation knows it")


def test_metrics_of_other_data_are_not_compared() -> None:
    other = dataclasses.replace(model("old", loss=0.9), data=dataclasses.replace(DATA, digest="sha256:" + "e" * 64))
    assert told(decide(PLAIN, model(), other)) == {
        "same data": "sha256:dddddddddddd, and the champion was measured on sha256:eeeeeeeeeeee"}
    nameless = dataclasses.replace(DATA, digest="")
    both = [dataclasses.replace(model(name, loss=loss), data=nameless) for name, loss in (("a", 0.1), ("b", 0.9))]
    assert not decide(PLAIN, *both).passed


@pytest.mark.parametrize("other", [{"labels": {"0": 500, "1": 500}}, {"labels": {}}, {"rows": 999}, {"columns": {"a": "int64"}}])
def test_metrics_of_other_labels_of_the_same_data_are_not_compared(other: dict[str, Any]) -> None:
    champion = dataclasses.replace(model("old", loss=0.9), data=dataclasses.replace(DATA, **other))
    assert told(decide(PLAIN, model(), champion)) == {"same data": "both were measured on sha256:dddddddddddd, and on other rows, "
                                                      "labels or columns of it: evaluate both with the same inputs"}


def test_who_has_measured_it_is_told() -> None:
    new, old = (dataclasses.replace(model(name, loss=loss), source=source) for name, loss, source in (
        ("new", 0.3, "run 2"), ("old", 0.4, "the folder x")))
    checks = {check.name: check for check in decide(PLAIN, new, old).checks}
    assert checks["evidence"].told == "measured on 1,000 rows of sha256:dddddddddddd, as run 2 says"
    assert checks["same data"].told == "both were measured on sha256:dddddddddddd; the champion as the folder x says"
    assert (checks["evidence"].values["source"], checks["same data"].values["champion_source"]) == ("run 2", "the folder x")
    assert new.to_dict()["source"] == "run 2"


def test_thresholds_include_their_ends() -> None:
    assert (Limits().hold(math.inf), Limits().hold(math.nan)) == (True, False)
    gate = dataclasses.replace(PLAIN, thresholds={"loss": Limits(high=0.4), "auc": Limits(0.6, 0.9)})
    assert decide(gate, model(loss=0.4, auc=0.6), None).passed
    assert told(decide(gate, model(loss=0.5, auc=0.95), None)) == {
        "threshold loss": "0.5, must be at most 0.4", "threshold auc": "0.95, must be at least 0.6 and at most 0.9"}


def rows(name: str, losses: list[float]) -> Evidence:
    return dataclasses.replace(model(name, loss=math.fsum(losses) / len(losses)), losses={"loss": losses},
                               data=dataclasses.replace(DATA, rows=len(losses)))


def test_an_improvement_must_be_more_than_chance() -> None:
    chance = random.Random(3)
    before = [chance.random() for _ in range(400)]
    gate = dataclasses.replace(PLAIN, confidence=Confidence(loss="loss", resamples=500))
    surely = [value - 0.05 + 0.1 * (chance.random() - 0.5) for value in before]
    perhaps = [value - 0.002 + 0.4 * (chance.random() - 0.5) for value in before]
    perhaps = [value - math.fsum(perhaps) / 400 + math.fsum(before) / 400 - 0.002 for value in perhaps]
    assert decide(gate, rows("new", surely), rows("old", before)).passed
    refused = told(decide(gate, rows("new", perhaps), rows("old", before)))
    assert list(refused) == ["confidence"]
    assert "better by 0.002, at 0.95 by at least -" in refused["confidence"]


def test_rows_that_are_all_the_same_are_no_improvement() -> None:
    gate = dataclasses.replace(PLAIN, confidence=Confidence(loss="loss", resamples=100))
    new, old = (dataclasses.replace(rows(name, [0.5] * 200), metrics={"loss": loss}) for name, loss in (("new", 0.3), ("old", 0.4)))
    assert told(decide(gate, new, old)) == {
        "confidence": "mean loss of 200 rows better by 0, at 0.95 by at least 0, must be above 0"}


def test_without_the_losses_of_all_rows_there_is_no_confidence() -> None:
    gate = dataclasses.replace(PLAIN, confidence=Confidence(loss="loss", resamples=100))
    old = rows("old", [0.5] * 200)
    assert decide(gate, rows("new", [0.1] * 200), old).passed

    def refused(new: Evidence, champion: Evidence = old) -> str:
        return told(decide(gate, new, champion))["confidence"]

    assert "no loss of single rows of new" in refused(model())
    assert "no loss of single rows of old" in refused(rows("new", [0.1] * 200), model("old"))
    assert refused(rows("new", [0.1] * 199)) == "199 rows have a loss, and 200 of the champion; the data has 199"
    # Some rows of both, chosen by whoever has written them.
    some = [dataclasses.replace(side, data=DATA) for side in (rows("new", [0.1] * 200), old)]
    assert refused(*some) == "200 rows have a loss, and 200 of the champion; the data has 1,000"
    assert refused(rows("new", [0.1] * 99), rows("old", [0.5] * 99)) == "99 rows tell too little, must be at least 100"
    for wrong in (math.nan, -math.inf, -1e300):
        assert "not finite" in refused(rows("new", [0.1] * 199 + [wrong]))


def sliced(name: str, **losses: float) -> Evidence:
    parts = tuple(Slice(by="carrier", value=value, rows=10 * len(value), metrics={"loss": loss}) for value, loss in losses.items())
    return dataclasses.replace(model(name, loss=0.3 if name == "new" else 0.4), slices=parts)


def test_no_slice_may_get_much_worse() -> None:
    gate = dataclasses.replace(
        PLAIN, slices=SliceLimit(by=("carrier",), metric="loss", goal=Goal.MINIMIZE, worse=0.05, min_rows=20))
    old = sliced("old", AA=0.4, BB=0.4, C=0.4)
    assert decide(gate, sliced("new", AA=0.44, BB=0.3, C=0.9), old).passed  # C has 10 rows
    assert told(decide(gate, sliced("new", AA=0.5, BB=0.3, C=0.4), old)) == {
        "slices by carrier": "AA (20 rows) is worse by 0.1 in loss, may be worse by 0.05; 2 slices, 1 too small to count"}
    one = sliced("old", AA=1.0, BB=0.4, C=0.4)
    assert decide(gate, sliced("new", AA=1.05, BB=0.1, C=0.4), one).passed  # 1.05 - 1.0 is a little more than 0.05
    assert "no finite loss of carrier AA" in told(decide(gate, sliced("new", AA=math.nan, BB=0.3, C=0.4), old))["slices by carrier"]
    assert "0 were measured" in told(decide(gate, model(loss=0.1), old))["slices by carrier"]
    assert "of the champion 1" in told(decide(gate, sliced("new", AA=0.1, BB=0.1), sliced("old", AA=0.4)))["slices by carrier"]


def test_slices_by_each_column_are_compared_with_those_by_the_same_one() -> None:
    gate = dataclasses.replace(PLAIN, slices=SliceLimit(by=("carrier", "origin"), metric="loss", goal=Goal.MINIMIZE, worse=0.05))

    def by(name: str, carrier: float, origin: float) -> Evidence:
        parts = (Slice(by=column, value="A", rows=9, metrics={"loss": loss})
                 for column, loss in (("carrier", carrier), ("origin", origin)))
        return dataclasses.replace(model(name, loss=0.3 if name == "new" else 0.4), slices=tuple(parts))

    assert list(told(decide(gate, by("new", 0.9, 0.4), by("old", 0.4, 0.4)))) == ["slices by carrier"]
    assert list(told(decide(gate, by("new", 0.4, 0.9), by("old", 0.4, 0.4)))) == ["slices by origin"]
    assert decide(gate, by("new", 0.1, 0.9), by("old", 0.1, 0.9)).passed


def test_data_that_a_model_was_measured_on_is_checked() -> None:
    gate = dataclasses.replace(PLAIN, rows=Limits(2000), labels={"1": Limits(0.3), "0": Limits(0.5, 0.9), "2": Limits(0.1)},
                               columns={"a": "int64", "b": None, "c": None})
    assert told(decide(gate, model(), None)) == {
        "data rows": "1,000, must be at least 2,000",
        "data label 1": "0.2 of the rows, must be at least 0.3",
        "data label 2": "0 of the rows, must be at least 0.1",
        "data columns": "'a' is int32, must be int64; 'c' is missing",
    }
    unlabelled = dataclasses.replace(model(), data=dataclasses.replace(DATA, labels={}))
    assert told(decide(gate, unlabelled, None))["data label 1"] == "no label was counted"
    few = dataclasses.replace(PLAIN, labels={"1": Limits(high=0.5)})  # of none it cannot be said that they are few
    assert told(decide(few, unlabelled, None)) == {"data label 1": "no label was counted"}


@pytest.mark.parametrize(("value", "text"), [
    (2_000_000, "2,000,000"), (-12345678.9, "-12,345,679"), (20000.5, "20,000.5"), (0.1234567, "0.123457"), (1e15, "1e+15"),
    (-0.0000001, "-1e-07"), (0.0, "0"), (float("nan"), "not finite"), (None, "none"),
])  # fmt: skip
def test_numbers_are_written_for_people(value: "float | None", text: str) -> None:
    assert shown(value) == text


def test_costs_have_limits_and_what_was_not_measured_is_refused() -> None:
    gate = dataclasses.replace(PLAIN, row_ms=5, rows_per_second=1000, max_bytes=2**20)
    cheap = dataclasses.replace(model(), row_ms=5, rows_per_second=1000, size=2**20)
    assert decide(gate, cheap, None).passed
    dear = dataclasses.replace(model(), row_ms=5.1, rows_per_second=999, size=2**21)
    assert told(decide(gate, dear, None)) == {
        "latency of a row": "5.10 ms, must be at most 5.00 ms", "rows per second": "999, must be at least 1,000",
        "size": "2 MB, must be at most 1 MB"}
    assert {text.split(",")[0] for text in told(decide(gate, model(), None)).values()} == {"not measured"}
    assert list(told(decide(gate, model(), None))) == ["latency of a row", "rows per second", "size"]
    assert not decide(gate, dataclasses.replace(cheap, row_ms=math.nan), None).passed


def test_tags_are_there_with_their_values() -> None:
    gate = dataclasses.replace(PLAIN, tags={"owner": None, "reviewed": "yes"})
    assert decide(gate, dataclasses.replace(model(), tags={"owner": "x", "reviewed": "yes"}), None).passed
    assert told(decide(gate, dataclasses.replace(model(), tags={"reviewed": "no"}), None)) == {
        "tag owner": "there is none", "tag reviewed": "'no', must be 'yes'"}


def test_a_signature_is_there_and_as_wanted() -> None:
    signed = dataclasses.replace(model(), signature=Signature(inputs={"a": "integer"}, outputs={"0": "double"}))
    assert decide(dataclasses.replace(PLAIN, signature={}), signed, None).passed
    assert told(decide(dataclasses.replace(PLAIN, signature={}), model(), None)) == {"signature": "new has none"}
    refused = told(decide(dataclasses.replace(PLAIN, signature={"a": "long", "b": "long"}), signed, None))
    assert refused["signature"] == "input 'a' is integer, must be long; input 'b' is missing"
    signs = {check.name: check.told for check in decide(dataclasses.replace(PLAIN, signature={}), signed, None).checks}
    assert signs["signature"] == "1 input and 1 output"
    gate = dataclasses.replace(PLAIN, signature={}, signature_of_champion=True)
    old = dataclasses.replace(model("old", loss=0.9), signature=Signature(inputs={}, outputs={"0": "float"}))
    assert told(decide(gate, signed, old)) == {"signature": "input 'a' is new; output '0' is double, must be float"}
    assert decide(gate, signed, None).passed
    assert "has none to compare with" in told(decide(gate, signed, model("old", loss=0.9)))["signature"]


@pytest.mark.parametrize(("who", "required", "other"), [
    (None, False, False), ("", False, False), (" ", False, False), ("\u200b", False, False), ("\t\n", False, False),
    ("Ann  Lee", True, False), ("ANN LEE ", True, False), ("\u00a0ann\tlee", True, False), ("ann le\u200be", True, False),
    ("\uff41nn lee", True, False), ("bob", True, True), ("annlee", True, True),
])  # fmt: skip
def test_who_approves_is_somebody_and_perhaps_somebody_else(who: str | None, required: bool, other: bool) -> None:
    assert approval("none", "Ann Lee", who) is None
    judged = [check.passed for rule in ("required", "other") if (check := approval(rule, "Ann Lee", who)) is not None]
    assert judged == [required, other]


def test_a_model_comes_by_the_stage_before() -> None:
    assert way(None, "runs", "shop:1", 0) is None
    judged = [check for check in (way("qa", "dev", "shop:1", 3), way("qa", "qa", "shop:1", 0), way("qa", "qa", "shop:1", 3)) if check]
    assert [(check.passed, check.told) for check in judged] == [
        (False, "shop:1 comes from dev, must come from qa"), (False, "shop:1 comes from qa, and was never its champion"),
        (True, "shop:1 comes from qa, by promotion 3")]


# --- laws ------------------------------------------------------------------------------------------------------------

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -0.0, 1.0, 0.1, 0.5])
FINITE = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 0.1, 0.5])
METRICS = st.dictionaries(st.sampled_from(["loss", "brier", "auc"]), NUMBERS)
GATES = st.builds(
    Gate,
    metric=st.sampled_from(["loss", "auc"]),
    goal=st.sampled_from(Goal),
    required=st.just(()) | st.just(("brier",)),
    thresholds=st.dictionaries(st.sampled_from(["loss", "brier", "auc"]), st.builds(Limits, st.none() | FINITE, st.none() | FINITE)),
    absolute=st.sampled_from([0.0, 0.001, 3.0]),
    relative=st.sampled_from([0.0, 0.01, 2.0]),
    confidence=st.none() | st.builds(Confidence, loss=st.just("loss"), level=st.sampled_from([0.5, 0.9]), resamples=st.just(100)),
    slices=st.none() | st.builds(SliceLimit, by=st.just(("c",)), metric=st.just("loss"), goal=st.sampled_from(Goal), worse=FINITE.map(abs)),
    signature=st.none() | st.just({}),
)


@st.composite
def models(draw: st.DrawFn, name: str = "m") -> Evidence:
    return Evidence(
        model=name, digest=draw(st.sampled_from(["1", "2"])), data=draw(st.none() | st.just(SMALL)), metrics=draw(METRICS),
        losses={"loss": draw(st.lists(NUMBERS, min_size=3, max_size=3)) * 34} if draw(st.booleans()) else {},
        slices=tuple(Slice(by="c", value=value, rows=5, metrics={"loss": draw(NUMBERS)}) for value in draw(st.sampled_from(["", "x", "xy"]))),
        signature=draw(st.none() | st.just(Signature(inputs={"a": "long"}, outputs={}))),
    )


@given(GATES, models("a"), models("b"))
def test_a_model_and_its_rival_are_never_both_promoted(gate: Gate, one: Evidence, other: Evidence) -> None:
    assert not (decide(gate, one, other).passed and decide(gate, other, one).passed)


@given(GATES, models(), st.none() | models("old"))
def test_what_passes_has_every_metric_and_each_is_finite(gate: Gate, new: Evidence, old: Evidence | None) -> None:
    if decide(gate, new, old).passed:
        assert {gate.metric, *gate.required, *gate.thresholds} <= new.metrics.keys()
        assert all(map(math.isfinite, new.metrics.values()))
        assert new.data is not None
        assert old is None or (math.isfinite(old.metrics[gate.metric]) and old.data == new.data)


@given(GATES, models(), st.none() | models("old"))
def test_a_decision_survives_json(gate: Gate, new: Evidence, old: Evidence | None) -> None:
    decision = decide(gate, new, old)
    text = json.dumps(decision.to_dict(), allow_nan=False)
    assert Decision.from_dict(json.loads(text)) == decision
    json.dumps(new.to_dict(), allow_nan=False)


@given(GATES, models(), models("old"), st.randoms(use_true_random=False))
def test_the_order_of_metrics_does_not_matter(gate: Gate, new: Evidence, old: Evidence, chance: random.Random) -> None:
    def mixed(told: Any) -> Any:
        names = list(told)
        chance.shuffle(names)
        return {name: told[name] for name in names}

    again = decide(
        dataclasses.replace(gate, thresholds=mixed(gate.thresholds)),
        dataclasses.replace(new, metrics=mixed(new.metrics), slices=tuple(reversed(new.slices))),
        dataclasses.replace(old, metrics=mixed(old.metrics)),
    )
    assert again == decide(gate, new, old)


@given(st.data())
def test_a_better_model_fails_no_check_that_a_worse_one_passes(data: st.DataObject) -> None:
    goal = data.draw(st.sampled_from(Goal))
    better = min if goal is Goal.MINIMIZE else max
    gains = st.floats(0, 10)

    def side(name: str, value: float, losses: list[float], parts: list[float]) -> Evidence:
        return Evidence(
            model=name, digest=name, data=SMALL, metrics={"m": value, "other": 1.0}, losses={"loss": losses * 34}, row_ms=1.0,
            slices=tuple(Slice(by="c", value=str(number), rows=5, metrics={"m": part}) for number, part in enumerate(parts)))

    value, gain = data.draw(FINITE), data.draw(gains)
    losses, parts = (data.draw(st.lists(FINITE, min_size=3, max_size=3)) for _ in range(2))
    step = -1 if goal is Goal.MINIMIZE else 1
    worse = side("m", value, losses, parts)
    best = side("m", better(value, value + step * gain), [loss - data.draw(gains) for loss in losses],
                [better(part, part + step * data.draw(gains)) for part in parts])
    champion = side("old", data.draw(FINITE), data.draw(st.lists(FINITE, min_size=3, max_size=3)),
                    data.draw(st.lists(FINITE, min_size=3, max_size=3)))
    limit = data.draw(FINITE)
    gate = Gate(
        metric="m", goal=goal, thresholds={"m": Limits(high=limit) if goal is Goal.MINIMIZE else Limits(low=limit)},
        absolute=data.draw(st.sampled_from([0.0, 1.0])), relative=data.draw(st.sampled_from([0.0, 0.5])),
        confidence=Confidence(loss="loss", level=0.8, resamples=100), row_ms=2.0,
        slices=SliceLimit(by=("c",), metric="m", goal=goal, worse=data.draw(FINITE.map(abs))))
    for rival in (None, champion):
        passed = {check.name for check in decide(gate, worse, rival).checks if check.passed}
        assert passed <= {check.name for check in decide(gate, best, rival).checks if check.passed}


def test_nothing_looked_at_is_no_pass() -> None:
    assert not Decision(candidate="a", champion=None, checks=()).passed
    assert Decision(candidate="a", champion=None, checks=(Check(name="x", passed=True, told=""),)).passed
