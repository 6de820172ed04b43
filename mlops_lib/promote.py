"""A gate, what was measured of a candidate and of the champion, and the decision with every reason."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .document import Items, Scalar, Table, Value
from .errors import listing
from .rules.facts import items, number, scalar, table
from .spec import reading
from .sweep import Goal

GROUPS = 1024  # of rows, that a resample draws from
_WORST_SHOWN = 5
_LARGEST = 1e290  # of a row's loss: sums stay finite

# --- gates -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """From *low* to *high*, both included; None is no limit."""

    low: float | None = None
    high: float | None = None

    def hold(self, value: float) -> bool:
        """Whether *value* is within them; what is not a number is not."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high) and value == value

    def __str__(self) -> str:
        parts = [f"at least {_shown(self.low)}"] if self.low is not None else []
        return " and ".join(parts + ([f"at most {_shown(self.high)}"] if self.high is not None else []))


@dataclass(frozen=True, kw_only=True, slots=True)
class Confidence:
    """The improvement of the mean *loss* must be above 0 in all but a share of ``1 - level`` of the resamples."""

    loss: str
    level: float = 0.95
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceLimit:
    """No slice by one of the columns *by* may be *worse* than the champion by more; those below *min_rows* do not count."""

    by: tuple[str, ...]
    metric: str
    goal: Goal
    worse: float
    min_rows: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """What a candidate must show before it may replace a champion.

    Attributes:
        metric: What candidate and champion are compared by.
        goal: What that metric should be.
        required: Metrics that must be there.
        thresholds: Limits of single metrics.
        absolute: By how much the candidate must be better; at 0 any improvement will do, and a tie never does.
        relative: The same as a share of the champion's value; the larger of the two counts.
        columns: Columns that the test data must have, with their types; None for any type.
        labels: The share of the rows that each label must have.
        row_ms: How long the prediction of one row may take, in milliseconds.
        rows_per_second: How fast a batch must be predicted.
        max_bytes: How large the model may be.
        tags: Tags that the candidate must have, with their values; None for any value.
        signature: The inputs that the model must have, with their types; empty for any. None when none is needed.
        signature_of_champion: The candidate's inputs and outputs must be the champion's.
    """

    metric: str
    goal: Goal
    required: tuple[str, ...] = ()
    thresholds: Mapping[str, Limits] = field(default_factory=dict)
    absolute: float = 0.0
    relative: float = 0.0
    confidence: Confidence | None = None
    slices: SliceLimit | None = None
    rows: Limits | None = None
    labels: Mapping[str, Limits] = field(default_factory=dict)
    columns: Mapping[str, str | None] = field(default_factory=dict)
    row_ms: float | None = None
    rows_per_second: float | None = None
    max_bytes: int | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    signature: Mapping[str, str] | None = None
    signature_of_champion: bool = False

    @classmethod
    def from_document(cls, value: Table) -> Gate:
        """A gate from its document, which was checked: see :mod:`mlops_lib.rules.gates`."""
        objective, improvement, confidence = (table(value, key) for key in ("objective", "improvement", "confidence"))
        slices, data, signature = (table(value, key) for key in ("slices", "data", "signature"))
        metric, goal = _text(objective, "primary_metric", ""), Goal(_text(objective, "goal", Goal.MINIMIZE.value))
        megabytes = number(table(value, "size"), "megabytes")
        word = _text(value, "signature", "")
        return cls(
            metric=metric, goal=goal, required=reading.texts(value, "required"),
            thresholds=_limits_of(table(value, "thresholds")),
            absolute=number(improvement, "absolute") or 0.0, relative=number(improvement, "relative") or 0.0,
            confidence=None if confidence is None else Confidence(
                loss=_text(confidence, "loss", metric), level=_number(confidence, "level", 0.95),
                resamples=int(_number(confidence, "resamples", 2000)), seed=int(_number(confidence, "seed", 0))),
            slices=None if slices is None else SliceLimit(
                by=reading.texts(slices, "by"), metric=_text(slices, "metric", metric),
                goal=Goal(_text(slices, "goal", goal.value)), worse=_number(slices, "worse", 0.0),
                min_rows=int(_number(slices, "min_rows", 1))),
            rows=_limits(table(data, "rows")), labels=_limits_of(table(data, "labels")), columns=_named(data, "columns"),
            row_ms=number(table(value, "latency"), "row_ms"),
            rows_per_second=number(table(value, "latency"), "rows_per_second"),
            max_bytes=None if megabytes is None else int(megabytes * 2**20), tags=_named(value, "tags"),
            signature=reading.text_map(value, "signature") if signature is not None else {} if word else None,
            signature_of_champion=word == "champion")


def _text(value: Table | None, key: str, default: str) -> str:
    found = scalar(value, key)
    return found.text if found is not None else default


def _number(value: Table, key: str, default: float) -> float:
    found = number(value, key)
    return default if found is None else found


def _limits(value: Table | None) -> Limits | None:
    return None if value is None else Limits(number(value, "min"), number(value, "max"))


def _limits_of(value: Table | None) -> dict[str, Limits]:
    found = {name: _limits(table(value, name)) for name in (value.entries if value is not None else ())}
    return {name: limits for name, limits in found.items() if limits is not None}


def _named(value: Table | None, key: str) -> dict[str, str | None]:
    """A mapping of texts, or a list of names, whose texts are free."""
    found: Value | None = value.get(key) if value is not None else None
    if isinstance(found, Items):
        return {item.text: None for item in items(value, key) if isinstance(item, Scalar)}
    return {name: reading.literal_text(entry) for name, entry in found.entries.items()
            if isinstance(entry, Scalar)} if isinstance(found, Table) else {}


# --- evidence --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFacts:
    """The data that a model was measured on.

    Attributes:
        digest: Of its content: metrics are comparable when it is the same.
        labels: How many rows have each label.
        columns: The type of each column.
    """

    digest: str
    rows: int
    labels: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """The metrics of the rows that have one value in a column."""

    by: str
    value: str
    rows: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """The inputs and outputs of a model, with their types."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What is known of a model.

    Attributes:
        model: How messages call it.
        digest: Of its bytes.
        data: What it was measured on; None when it was not measured.
        metrics: Over all rows; a metric that is not finite is NaN.
        losses: Of each row, by name, in the order of the data; smaller is better.
        size: Of its files, in bytes.
        why: Why something lacks, for messages.
    """

    model: str
    digest: str
    data: DataFacts | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    losses: Mapping[str, Sequence[float]] = field(default_factory=dict, compare=False, repr=False)
    slices: tuple[Slice, ...] = ()
    row_ms: float | None = None
    rows_per_second: float | None = None
    size: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    signature: Signature | None = None
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without the losses of rows; a metric that is not finite is null."""
        return {
            "model": self.model, "digest": self.digest, "metrics": _plain(self.metrics),
            "data": None if self.data is None else {
                "digest": self.data.digest, "rows": self.data.rows, "labels": dict(self.data.labels),
                "columns": dict(self.data.columns)},
            "slices": [{"by": part.by, "value": part.value, "rows": part.rows, "metrics": _plain(part.metrics)}
                       for part in self.slices],
            "latency": {"row_ms": self.row_ms, "rows_per_second": self.rows_per_second}, "size": self.size,
            "tags": dict(self.tags),
            "signature": None if self.signature is None else {
                "inputs": dict(self.signature.inputs), "outputs": dict(self.signature.outputs)},
        }


def _plain(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


# --- decisions -------------------------------------------------------------------------------------------------------

Told = float | int | str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: The same for every candidate that the gate judges.
        told: The reason, with its numbers.
        values: The numbers; one that is not finite is a text.
    """

    name: str
    passed: bool
    told: str
    values: Mapping[str, Told] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'refused'}  {self.name}: {self.told}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Whether *candidate* may replace *champion*, and every reason: those for it as well."""

    candidate: str
    champion: str | None
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was refused, and something was looked at."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"passed": self.passed, "candidate": self.candidate, "champion": self.champion,
                "checks": [{"name": check.name, "passed": check.passed, "told": check.told, "values": dict(check.values)}
                           for check in self.checks]}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Decision:
        """What :meth:`to_dict` gave, also after a trip through JSON."""
        return cls(candidate=told["candidate"], champion=told["champion"],
                   checks=tuple(Check(**check) for check in told["checks"]))


def decide(gate: Gate, candidate: Evidence, champion: Evidence | None) -> Decision:
    """Judge *candidate* against *champion*; ``None`` means that the stage has none yet.

    A tie keeps the champion: replacing a model has a cost, being equal has none. What was not measured, is no finite number,
    or was measured on other data refuses: no number is never a pass.
    """
    checks = [_measured(candidate), _finite(gate, candidate)]
    checks += [_threshold(name, limits, candidate) for name, limits in sorted(gate.thresholds.items())]
    if champion is None:
        checks.append(Check(name="improvement", passed=_is_finite(candidate, gate.metric), values={
            "candidate": _value(candidate.metrics.get(gate.metric))},
            told=f"there is no champion yet; {gate.metric} is {_metric(candidate, gate.metric)}"))
    else:
        checks += [_same_data(candidate, champion), _improvement(gate, candidate, champion)]
        if gate.confidence is not None:
            checks.append(_confidence(gate.confidence, candidate, champion))
        if gate.slices is not None:
            checks += [_slices(by, gate.slices, candidate, champion) for by in gate.slices.by]
    checks += _data(gate, candidate)
    checks += _costs(gate, candidate)
    checks += [_tag(name, wanted, candidate) for name, wanted in sorted(gate.tags.items())]
    if gate.signature is not None:
        checks.append(_signature(gate, candidate, champion))
    return Decision(candidate=candidate.model, champion=None if champion is None else champion.model, checks=tuple(checks))


def approval(rule: str, actor: str, approver: str | None) -> Check | None:
    """Whether a promotion was approved as a stage's settings want it.

    Args:
        rule: ``none``; ``required``: somebody has approved; ``other``: somebody else than *actor* has.
        actor: Who promotes.
        approver: Who is said to have approved it.
    """
    if rule == "none":
        return None
    values = {"actor": actor, "approved_by": approver}
    if not approver:
        return Check(name="approval", passed=False, values=values, told="nobody has approved it: --approved-by WHO")
    if rule == "other" and approver.strip().casefold() == actor.strip().casefold():
        return Check(name="approval", passed=False, values=values,
                     told=f"{approver} promotes it, and somebody else has to approve it")
    return Check(name="approval", passed=True, values=values, told=f"{approver} has approved it, {actor} promotes it")


# --- checks ----------------------------------------------------------------------------------------------------------


def _measured(model: Evidence) -> Check:
    if model.data is None or not model.data.digest:
        return Check(name="evidence", passed=False, told=f"{model.model} was not measured{_because(model)}")
    return Check(name="evidence", passed=True, told=f"measured on {model.data.rows:,} rows of {_short(model.data.digest)}",
                 values={"rows": model.data.rows, "data": model.data.digest})


def _finite(gate: Gate, model: Evidence) -> Check:
    """Every metric that the gate names is there, and every metric that is there is a finite number."""
    wanted = {gate.metric, *gate.required, *gate.thresholds}
    missing = sorted(wanted - model.metrics.keys())
    wrong = sorted(name for name, value in model.metrics.items() if not math.isfinite(value))
    told = [f"there is no {listing(missing)}"] if missing else []
    told += [f"{listing(wrong)} {'is' if len(wrong) == 1 else 'are'} not finite"] if wrong else []
    return Check(name="metrics", passed=not told, values={name: _value(model.metrics.get(name)) for name in sorted(wanted)},
                 told="; ".join(told) or f"{listing(sorted(wanted))} {'is' if len(wanted) == 1 else 'are'} there and finite")


def _threshold(name: str, limits: Limits, model: Evidence) -> Check:
    value = model.metrics.get(name, math.nan)
    return Check(name=f"threshold {name}", passed=math.isfinite(value) and limits.hold(value),
                 told=f"{_metric(model, name)}, must be {limits}",
                 values={"candidate": _value(model.metrics.get(name)), "min": limits.low, "max": limits.high})


def _same_data(candidate: Evidence, champion: Evidence) -> Check:
    name = "same data"
    if champion.data is None or not champion.data.digest:
        return Check(name=name, passed=False, told=f"the champion {champion.model} was not measured{_because(champion)}")
    ours, theirs = candidate.data.digest if candidate.data is not None else "", champion.data.digest
    values = {"candidate": ours, "champion": theirs}
    if not ours or ours != theirs:
        return Check(name=name, passed=False, values=values,
                     told=f"{_short(ours) if ours else 'none'}, and the champion was measured on {_short(theirs)}")
    return Check(name=name, passed=True, values=values, told=f"both were measured on {_short(ours)}")


def _improvement(gate: Gate, candidate: Evidence, champion: Evidence) -> Check:
    ours, theirs = candidate.metrics.get(gate.metric, math.nan), champion.metrics.get(gate.metric, math.nan)
    told = f"{gate.metric} is {_metric(candidate, gate.metric)}, the champion's {_metric(champion, gate.metric)}"
    values: dict[str, Told] = {"candidate": _value(ours), "champion": _value(theirs)}
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return Check(name="improvement", passed=False, told=told, values=values)
    gain = theirs - ours if gate.goal is Goal.MINIMIZE else ours - theirs
    needed = max(gate.absolute, gate.relative * abs(theirs))
    if gain == 0:
        told += ": a tie keeps the champion"
    else:
        told += f": {'better' if gain > 0 else 'worse'} by {_shown(abs(gain))}"
        told += f", must be better by {_shown(needed)}" if needed > 0 else ""
    return Check(name="improvement", passed=gain > 0 and gain >= needed, told=told,
                 values=values | {"improvement": _value(gain), "needed": _value(needed)})


def _confidence(rule: Confidence, candidate: Evidence, champion: Evidence) -> Check:
    name = "confidence"
    for model in (candidate, champion):
        if rule.loss not in model.losses:
            return Check(name=name, passed=False, told=f"there is no {rule.loss} of single rows of {model.model}")
    ours, theirs = candidate.losses[rule.loss], champion.losses[rule.loss]
    if len(ours) != len(theirs) or not ours:
        return Check(name=name, passed=False, values={"candidate": len(ours), "champion": len(theirs)},
                     told=f"{len(ours):,} rows were measured, and {len(theirs):,} of the champion")
    gains = [before - now for before, now in zip(theirs, ours, strict=True)]
    if not all(abs(gain) < _LARGEST for gain in gains):
        return Check(name=name, passed=False, told=f"the {rule.loss} of a row is not finite, or beyond {_LARGEST:g}")
    mean, low = math.fsum(gains) / len(gains), lower_bound(gains, rule)
    return Check(
        name=name, passed=low > 0,
        told=f"mean {rule.loss} of {len(gains):,} rows better by {_shown(mean)}, at {rule.level:g} by at least {_shown(low)}"
             f"{'' if low > 0 else ', must be above 0'}",
        values={"improvement": mean, "lower_bound": _value(low), "level": rule.level, "resamples": rule.resamples,
                "rows": len(gains)})


def lower_bound(gains: Sequence[float], rule: Confidence) -> float:
    """What the mean of *gains* exceeds in a share of ``rule.level`` of its bootstrap resamples.

    Rows are put into at most :data:`GROUPS` groups by chance, and groups are drawn instead of rows: since rows are
    exchangeable, the means of groups vary as the rows say they must, and a resample costs a thousand draws however many rows
    there are. Chance is SHAKE-256 of the seed: the same on every machine, and for every pair of models.

    Source: the percentile bootstrap of Efron (1979), of pairs.
    """
    groups = _grouped(gains, rule.seed)
    draws = hashlib.shake_256(f"draws {rule.seed}".encode()).digest(4 * len(groups) * rule.resamples)
    size = struct.Struct(f"<{len(groups)}I")
    # fsum rounds once: a better row never lowers a sum, and every version of Python gives the same.
    sums = sorted(math.fsum([groups[word * len(groups) >> 32] for word in words]) for words in size.iter_unpack(draws))
    return float(sums[math.floor((1 - rule.level) * rule.resamples)] / len(gains))


def _grouped(gains: Sequence[float], seed: int) -> list[float]:
    """The sums of rows put together by chance; each row alone while there are few."""
    if len(gains) <= GROUPS:
        return list(gains)
    keys = struct.unpack(f"<{len(gains)}Q", hashlib.shake_256(f"groups {seed}".encode()).digest(8 * len(gains)))
    order = sorted(range(len(gains)), key=keys.__getitem__)
    return [math.fsum(gains[row] for row in order[first::GROUPS]) for first in range(GROUPS)]


def _slices(by: str, rule: SliceLimit, candidate: Evidence, champion: Evidence) -> Check:
    name = f"slices by {by}"
    theirs = {part.value: part for part in champion.slices if part.by == by}
    ours = {part.value: part for part in candidate.slices if part.by == by}
    counted = [part for part in ours.values() if part.rows >= rule.min_rows]
    if not counted or ours.keys() != theirs.keys():
        return Check(name=name, passed=False, values={"slices": len(ours), "of_champion": len(theirs)},
                     told=f"{len(ours)} were measured, {len(counted)} of them with {rule.min_rows:,} rows or more; of the "
                          f"champion {len(theirs)}")
    sign = 1 if rule.goal is Goal.MINIMIZE else -1

    def loss(part: Slice) -> float:
        return sign * part.metrics.get(rule.metric, math.nan)

    losses = {part.value: loss(part) - loss(theirs[part.value]) for part in counted}
    unknown = sorted(value for value, worse in losses.items() if not math.isfinite(worse))
    if unknown:
        return Check(name=name, passed=False, told=f"no finite {rule.metric} of {by} {listing(unknown)}")
    order = sorted(losses, key=lambda value: (-losses[value], value))
    failed = [value for value in order if losses[value] > rule.worse]
    told = "; ".join(f"{value} ({ours[value].rows:,} rows) is {_compared(losses[value])}"
                     for value in failed[:_WORST_SHOWN] or order[:1])
    more = f" and {len(failed) - _WORST_SHOWN} more" if len(failed) > _WORST_SHOWN else ""
    return Check(name=name, passed=not failed, values={value: losses[value] for value in order},
                 told=f"{'' if failed else 'at worst '}{told}{more} in {rule.metric}, may be worse by {_shown(rule.worse)}; "
                      f"{len(counted)} slices, {len(ours) - len(counted)} too small to count")


def _compared(loss: float) -> str:
    return f"{'worse' if loss > 0 else 'better'} by {_shown(abs(loss))}" if loss else "the same"


def _data(gate: Gate, model: Evidence) -> Iterator[Check]:
    data = model.data or DataFacts(digest="", rows=0)
    if gate.rows is not None:
        yield Check(name="data rows", passed=gate.rows.hold(data.rows), told=f"{data.rows:,}, must be {gate.rows}",
                    values={"rows": data.rows, "min": gate.rows.low, "max": gate.rows.high})
    for label, limits in sorted(gate.labels.items()):
        total = sum(data.labels.values())
        share = data.labels.get(label, 0) / total if total > 0 else math.nan
        yield Check(name=f"data label {label}", passed=limits.hold(share),
                    told=f"{_shown(share)} of the rows, must be {limits}" if total else "no label was counted",
                    values={"share": _value(share), "min": limits.low, "max": limits.high})
    if gate.columns:
        wrong = [f"{name!r} is missing" if name not in data.columns else f"{name!r} is {data.columns[name]}, must be {type_}"
                 for name, type_ in sorted(gate.columns.items()) if data.columns.get(name) is None
                 or type_ not in (None, data.columns[name])]
        yield Check(name="data columns", passed=not wrong, told="; ".join(wrong) or f"all {len(gate.columns)} are there",
                    values={name: data.columns.get(name) for name in sorted(gate.columns)})


def _costs(gate: Gate, model: Evidence) -> Iterator[Check]:
    costs: tuple[tuple[str, float | None, Limits, Callable[[float], str]], ...] = (
        ("latency of a row", model.row_ms, Limits(high=gate.row_ms), lambda value: f"{value:,.2f} ms"),
        ("rows per second", model.rows_per_second, Limits(low=gate.rows_per_second), lambda value: f"{value:,.0f}"),
        ("size", model.size, Limits(high=gate.max_bytes), lambda value: f"{value / 2**20:.3g} MB"))
    for name, value, limits, shown in costs:
        limit = limits.low if limits.high is None else limits.high
        if limit is None:
            continue
        known = value is not None and math.isfinite(value)
        yield Check(name=name, passed=known and limits.hold(value or 0.0),
                    told=f"{shown(value or 0.0) if known else 'not measured'}, must be "
                         f"{'at least' if limits.high is None else 'at most'} {shown(limit)}",
                    values={"candidate": _value(value), "limit": limit})


def _tag(name: str, wanted: str | None, model: Evidence) -> Check:
    value = model.tags.get(name)
    told = "there is none" if value is None else repr(value)
    told += f", must be {wanted!r}" if wanted is not None and value != wanted else ""
    return Check(name=f"tag {name}", passed=value is not None and wanted in (None, value), told=told,
                 values={"tag": value, "wanted": wanted})


def _signature(gate: Gate, candidate: Evidence, champion: Evidence | None) -> Check:
    name, ours = "signature", candidate.signature
    if ours is None:
        return Check(name=name, passed=False, told=f"{candidate.model} has none")
    wrong: list[str] = []
    if gate.signature_of_champion and champion is not None:
        if champion.signature is None:
            return Check(name=name, passed=False, told=f"the champion {champion.model} has none to compare with")
        wrong = _differences("input", ours.inputs, champion.signature.inputs)
        wrong += _differences("output", ours.outputs, champion.signature.outputs)
    elif gate.signature:
        wrong = _differences("input", ours.inputs, gate.signature)
    return Check(name=name, passed=not wrong, values={"inputs": len(ours.inputs), "outputs": len(ours.outputs)},
                 told="; ".join(wrong) or f"{len(ours.inputs)} inputs, {len(ours.outputs)} outputs")


def _differences(port: str, ours: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    words = [f"{port} {name!r} is missing" if name not in ours else f"{port} {name!r} is {ours[name]}, must be {type_}"
             for name, type_ in sorted(wanted.items()) if ours.get(name) != type_]
    return words + [f"{port} {name!r} is new" for name in sorted(ours.keys() - wanted.keys())]


def _because(model: Evidence) -> str:
    return f": {model.why}" if model.why else ""


def _is_finite(model: Evidence, metric: str) -> bool:
    return math.isfinite(model.metrics.get(metric, math.nan))


def _metric(model: Evidence, name: str) -> str:
    return _shown(model.metrics[name]) if name in model.metrics else "missing"


def _value(value: float | None) -> Told:
    """A number for JSON, which has no word for NaN or infinity."""
    return value if value is None or math.isfinite(value) else str(value)


def _shown(value: float | None) -> str:
    return "none" if value is None else "not finite" if not math.isfinite(value) else f"{value:.6g}"


def _short(digest: str) -> str:
    """The beginning of a digest, enough for a person to tell it from another."""
    head, colon, rest = digest.partition(":")
    return f"{head}:{rest[:12]}" if colon else digest[:12]


def evidence_of(told: Mapping[str, Any], name: str) -> Evidence:
    """What an evaluation's ``metrics.json`` says of one of its models; docs/models.md has its keys.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not as it should be.
    """
    model, test = told["models"][name], told["test"]
    latency = model.get("latency") or {}
    return Evidence(
        model=name, digest=str(model["digest"]), size=model.get("size"),
        data=DataFacts(digest=str(test["digest"]), rows=int(test["rows"]), labels=dict(test.get("labels") or {}),
                       columns=dict(test.get("columns") or {})),
        metrics=_numbers(model["metrics"]), row_ms=latency.get("row_ms"), rows_per_second=latency.get("rows_per_second"),
        slices=tuple(Slice(by=str(part["by"]), value=str(part["value"]), rows=int(part["rows"]),
                           metrics=_numbers(part["metrics"])) for part in model.get("slices") or ()))


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): math.nan if value is None else float(value) for name, value in metrics.items()}


def signature_of(mlmodel: Mapping[str, Any]) -> Signature | None:
    """The signature in an ``MLmodel`` file; None when it has none.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not as MLflow writes it.
    """
    told = mlmodel.get("signature")
    if not told:
        return None
    inputs, outputs = (json.loads(told.get(side) or "[]") for side in ("inputs", "outputs"))
    return Signature(inputs=_ports(inputs), outputs=_ports(outputs))


def _ports(columns: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Names and types; a column without a name has its number."""
    return {str(column.get("name", number)): _type(column) for number, column in enumerate(columns)}


def _type(column: Mapping[str, Any]) -> str:
    tensor = column.get("tensor-spec")
    return f"tensor {tensor['dtype']}{tensor['shape']}" if tensor else str(column["type"])
