"""A gate, what was measured of a candidate and of the champion, and the decision with every reason."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .bootstrap import LARGEST, LEAST, gain
from .errors import listing
from .evidence import DataFacts, Evidence, Slice
from .gate import Confidence, Gate, Limits, SliceLimit, shown
from .sweep import Goal

_WORST_SHOWN = 5

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
    if not approver or not _name_of(approver):
        return Check(name="approval", passed=False, values=values, told="nobody has approved it: --approved-by WHO")
    if rule == "other" and _name_of(approver) == _name_of(actor):
        return Check(name="approval", passed=False, values=values,
                     told=f"{approver} promotes it, and somebody else has to approve it")
    return Check(name="approval", passed=True, values=values, told=f"{approver} has approved it, {actor} promotes it")


def way(after: str | None, source: str, candidate: str, promotion: int) -> Check | None:
    """Whether a version comes to a stage from where the settings want it to.

    Args:
        after: The stage that a model was a champion of before; None for any way.
        source: Where the version is.
        candidate: How messages call it.
        promotion: The number of the promotion that made it a champion there; 0 when none did.
    """
    if after is None:
        return None
    values: dict[str, Told] = {"from": source, "after": after, "promotion": promotion}
    told = f"{candidate} comes from {source}" + (f", must come from {after}" if source != after else
                                                 f", by promotion {promotion}" if promotion else ", and was never its champion")
    return Check(name="way", passed=source == after and promotion > 0, values=values, told=told)


def _name_of(person: str) -> str:
    """A person's name without what does not tell two people apart: case, spaces, characters that cannot be seen."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", person).casefold())
    return " ".join("".join(letter for letter in text if unicodedata.category(letter) != "Cf").split())


# --- checks ----------------------------------------------------------------------------------------------------------


def _measured(model: Evidence) -> Check:
    if model.data is None or not model.data.digest:
        return Check(name="evidence", passed=False, told=f"{model.model} was not measured{_because(model)}")
    return Check(name="evidence", passed=True,
                 told=f"measured on {model.data.rows:,} rows of {_short(model.data.digest)}{_by(model)}",
                 values={"rows": model.data.rows, "data": model.data.digest, "source": model.source})


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
    if ours != theirs:
        return Check(name=name, passed=False, values=values,
                     told=f"{_short(ours) if ours else 'none'}, and the champion was measured on {_short(theirs)}"
                          f"{_because(champion)}")
    if candidate.data != champion.data:
        return Check(name=name, passed=False, values=values, told=f"both were measured on {_short(ours)}, and on other rows, "
                     "labels or columns of it: evaluate both with the same inputs")
    apart = f"; the champion{_by(champion)[1:]}" if champion.source != candidate.source else ""
    return Check(name=name, passed=True, values=values | {"champion_source": champion.source},
                 told=f"both were measured on {_short(ours)}{apart}")


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
        much = shown(abs(gain)) if math.isfinite(gain) else "more than a number can say"
        told += f": {'better' if gain > 0 else 'worse'} by {much}"
        told += f", must be better by {shown(needed)}" if needed > 0 else ""
    enough = gain >= needed or math.isclose(gain, needed)  # 0.3 - 0.2 is a little less than 0.1
    return Check(name="improvement", passed=gain > 0 and enough, told=told,
                 values=values | {"improvement": _value(gain), "needed": _value(needed)})


def _confidence(rule: Confidence, candidate: Evidence, champion: Evidence) -> Check:
    name = "confidence"
    for model in (candidate, champion):
        if rule.loss not in model.losses:
            return Check(name=name, passed=False, told=f"there is no {rule.loss} of single rows of {model.model}")
    ours, theirs = candidate.losses[rule.loss], champion.losses[rule.loss]
    rows = candidate.data.rows if candidate.data is not None else 0
    if not len(ours) == len(theirs) == rows:
        return Check(name=name, passed=False, values={"candidate": len(ours), "champion": len(theirs), "rows": rows},
                     told=f"{len(ours):,} rows have a {rule.loss}, and {len(theirs):,} of the champion; the data has {rows:,}")
    if rows < LEAST:
        return Check(name=name, passed=False, values={"rows": rows, "min": LEAST},
                     told=f"{rows:,} rows tell too little, must be at least {LEAST}")
    mean, low = gain(ours, theirs, rule)
    return Check(
        name=name, passed=low > 0,
        told=f"mean {rule.loss} of {rows:,} rows better by {shown(mean)}, at {rule.level:g} by at least {shown(low)}"
             f"{'' if low > 0 else ', must be above 0'}" if math.isfinite(low) else
             f"the {rule.loss} of a row is not finite, or beyond {LARGEST:g}",
        values={"improvement": _value(mean), "lower_bound": _value(low), "level": rule.level, "resamples": rule.resamples,
                "rows": rows})


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
    failed = [value for value in order if losses[value] > rule.worse and not math.isclose(losses[value], rule.worse)]
    told = "; ".join(f"{value} ({ours[value].rows:,} rows) is {_compared(losses[value])}"
                     for value in failed[:_WORST_SHOWN] or order[:1])
    more = f" and {len(failed) - _WORST_SHOWN} more" if len(failed) > _WORST_SHOWN else ""
    return Check(name=name, passed=not failed, values={value: losses[value] for value in order},
                 told=f"{'' if failed else 'at worst '}{told}{more} in {rule.metric}, may be worse by {shown(rule.worse)}; "
                      f"{len(counted)} slices, {len(ours) - len(counted)} too small to count")


def _compared(loss: float) -> str:
    return f"{'worse' if loss > 0 else 'better'} by {shown(abs(loss))}" if loss else "the same"


def _data(gate: Gate, model: Evidence) -> Iterator[Check]:
    data = model.data or DataFacts(digest="", rows=0)
    if gate.rows is not None:
        yield Check(name="data rows", passed=gate.rows.hold(data.rows), told=f"{data.rows:,}, must be {gate.rows}",
                    values={"rows": data.rows, "min": gate.rows.low, "max": gate.rows.high})
    for label, limits in sorted(gate.labels.items()):
        total = sum(data.labels.values())
        share = data.labels.get(label, 0) / total if total > 0 else math.nan
        yield Check(name=f"data label {label}", passed=limits.hold(share),
                    told=f"{shown(share)} of the rows, must be {limits}" if total else "no label was counted",
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
    for name, value, limits, written in costs:
        limit = limits.low if limits.high is None else limits.high
        if limit is None:
            continue
        known = value is not None and math.isfinite(value)
        yield Check(name=name, passed=known and limits.hold(value or 0.0),
                    told=f"{written(value or 0.0) if known else 'not measured'}, must be "
                         f"{'at least' if limits.high is None else 'at most'} {written(limit)}",
                    values={"candidate": _value(value), "limit": _value(limit)})


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
                 told="; ".join(wrong) or " and ".join(
                     f"{len(ports)} {side}{'' if len(ports) == 1 else 's'}"
                     for side, ports in (("input", ours.inputs), ("output", ours.outputs))))


def _differences(port: str, ours: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    words = [f"{port} {name!r} is missing" if name not in ours else f"{port} {name!r} is {ours[name]}, must be {type_}"
             for name, type_ in sorted(wanted.items()) if ours.get(name) != type_]
    return words + [f"{port} {name!r} is new" for name in sorted(ours.keys() - wanted.keys())]


def _by(model: Evidence) -> str:
    return f", as {model.source} says" if model.source else ""


def _because(model: Evidence) -> str:
    return f": {model.why}" if model.why else ""


def _is_finite(model: Evidence, metric: str) -> bool:
    return math.isfinite(model.metrics.get(metric, math.nan))


def _metric(model: Evidence, name: str) -> str:
    return shown(model.metrics[name]) if name in model.metrics else "missing"


def _value(value: float | None) -> Told:
    """A number for JSON, which has no word for NaN or infinity."""
    return value if value is None or math.isfinite(value) else str(value)


def _short(digest: str) -> str:
    """The beginning of a digest, enough for a person to tell it from another."""
    head, colon, rest = digest.partition(":")
    return f"{head}:{rest[:12]}" if colon else digest[:12]
