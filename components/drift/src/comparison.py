"""Reference and current table, feature by feature: how far apart they are, and what is past its limit."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from batches import Source
from columns import InputError
from distances import binned, by_chance, deciles, kolmogorov_smirnov, population_stability, shares
from tallies import CategoryTally, Feature, NumberTally, tallied

NAMED = 50  # categories that have a bin of their own; the rarer ones share one
RARER = "rarer values"
NAMES = "too many values to be categories"
DRAWN = 24  # bars of a number's histogram
TAIL = 0.005  # of a number's values at each end that its first and last bar take in


@dataclass(frozen=True)
class Limits:
    """What is drift: anything above these."""

    psi: float
    ks: float
    missing_change: float
    unseen: float
    prediction_psi: float


@dataclass(frozen=True)
class Bars:
    """A feature's distribution to draw: what each bar stands for, and the shares of both sides."""

    labels: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]


@dataclass(frozen=True)
class Result:
    """One feature.

    Attributes:
        psi: Population stability index; None where one side has no value.
        psi_by_chance: What two samples of the same data, as large as these, are expected to have.
        ks: Kolmogorov-Smirnov distance of numbers.
        ks_error: By how much it may be larger.
        missing: The shares of rows without a value, reference and current; None where the columns cannot be compared.
        unseen: The share of current values that the reference never has, and a few of them.
        means: Of numbers, reference and current.
        breaches: What is past its limit, in words.
    """

    feature: Feature
    psi: float | None = None
    psi_by_chance: float = 0.0
    ks: float | None = None
    ks_error: float = 0.0
    missing: tuple[float, float] | None = None
    unseen: float | None = None
    unseen_values: tuple[str, ...] = ()
    means: tuple[float, float] | None = None
    bars: Bars | None = None
    note: str = ""
    breaches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """All of it.

    Attributes:
        predictions: None when none were given.
        added: Columns that only the current data has.
        passed_over: Columns that were not compared, and why.
    """

    rows: tuple[int, int]
    features: tuple[Result, ...]
    predictions: Result | None
    added: tuple[str, ...]
    passed_over: Mapping[str, str]

    @property
    def results(self) -> tuple[Result, ...]:
        """Predictions first."""
        return (*([self.predictions] if self.predictions else []), *self.features)

    @property
    def drifted(self) -> tuple[Result, ...]:
        """What is past its limit."""
        return tuple(result for result in self.results if result.breaches)


def compare(
    reference: Source,
    current: Source,
    limits: Limits,
    *,
    predictions: tuple[Source, Source] | None = None,
    prediction: str = "",
    ignored: Collection[str] = (),
    categories: Collection[str] = (),
) -> Comparison:
    """Compare two tables, and two tables of *predictions* by their column *prediction*.

    *ignored* columns are no features; the numbers in *categories* are names.

    Raises:
        InputError: a table has no rows, or a column that has to be there is not.
    """
    for source, what in ((reference, "the reference"), (current, "the current data")):
        if not source.rows:
            raise InputError(f"{what} has no rows")
        if twice := sorted({name for name in source.schema.names if source.schema.names.count(name) > 1}):
            raise InputError(f"{what} has columns of the same name: {', '.join(twice)}")
    if unknown := [name for name in categories if name not in reference.schema.names]:
        raise InputError(f"the reference has no column {', '.join(unknown)} for categories")
    compared, broken, passed_over = [], [], {}
    for field in reference.schema:
        if field.name in ignored:
            passed_over[field.name] = "ignored"
        elif (feature := feature_of(field, categories)) is None:
            passed_over[field.name] = f"of type {field.type}"
        elif reason := unfit(field, current.schema):
            broken.append(Result(feature, breaches=(reason,)))
        else:
            compared.append(feature)
    if not compared and not broken:
        raise InputError("the reference has no column that can be compared")
    tallies = tallied(reference, current, compared)
    found = [result(feature, *tallies[feature.name], limits, limits.psi) for feature in compared]
    return Comparison(
        rows=(reference.rows, current.rows),
        features=(*broken, *found),
        predictions=None if predictions is None else predicted(*predictions, prediction, limits),
        added=tuple(name for name in current.schema.names if name not in reference.schema.names and name not in ignored),
        passed_over=passed_over,
    )


def predicted(reference: Source, current: Source, name: str, limits: Limits) -> Result:
    """The predictions of both tables, as a feature with a limit of its own."""
    for source, what in ((reference, "reference"), (current, "current")):
        if name not in source.schema.names or not source.rows:
            raise InputError(f"the {what} predictions have no {'column ' + name if source.rows else 'rows'}")
        if family(source.schema.field(name).type) != "number":
            raise InputError(f"{name} is {source.schema.field(name).type} in the {what} predictions, and not a number")
    feature = Feature(name, "number")
    return result(feature, *tallied(reference, current, [feature])[name], limits, limits.prediction_psi)


def family(kind: pa.DataType) -> str | None:
    """What values of a type can be compared as; None when they cannot."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    return "nothing" if pa.types.is_null(kind) else None


def feature_of(field: pa.Field, categories: Collection[str]) -> Feature | None:
    """A column of the reference as a feature: text, booleans, and numbers that are names, are categories."""
    found = family(field.type)
    words = (field.metadata or {}).get(b"words", b"").decode().split()
    if found == "number" and not words and field.name not in categories:
        return Feature(field.name, "number", whole=pa.types.is_integer(field.type))
    spoken = {**{str(code): word for code, word in enumerate(words)}, "-1": "unknown"} if words else {}
    return None if found is None else Feature(field.name, "category", words=spoken)


def unfit(field: pa.Field, current: pa.Schema) -> str:
    """Why a column of the reference cannot be compared with the current data; empty when it can."""
    if field.name not in current.names:
        return "the current data has no such column"
    here, there = family(field.type), family(current.field(field.name).type)
    if "nothing" in (here, there) or here == there:
        return ""
    return f"was {field.type}, and is {current.field(field.name).type} now"


def result(feature: Feature, reference: Any, current: Any, limits: Limits, psi_limit: float) -> Result:
    """What the counts of a feature say."""
    values = [int(side.counts.sum()) for side in (reference, current)]
    missing = [side.missing / (side.missing + some) for side, some in zip((reference, current), values, strict=True)]
    found: dict[str, Any] = {"missing": tuple(missing)}
    if feature.kind == "category" and reference.known is None:
        return Result(feature, **found, note=NAMES, breaches=tuple(breaches(found, limits, psi_limit)))
    if feature.kind == "category":
        found |= {"unseen": float(shares(current.counts)[-1]), "unseen_values": tuple(current.unseen)}
    if all(values):
        found |= (numbers if feature.kind == "number" else names)(feature, reference, current)
        found["psi_by_chance"] = by_chance(found.pop("bins"), *values)
    else:
        found["note"] = " and ".join(f"no value in the {side}" for side, some in
                                     zip(("reference", "current data"), values, strict=True) if not some)  # fmt: skip
    return Result(feature, **found, breaches=tuple(breaches(found, limits, psi_limit)))


def breaches(found: Mapping[str, Any], limits: Limits, psi_limit: float) -> list[str]:
    """What is past its limit, in words."""
    told = []
    if (found.get("psi") or 0) > psi_limit:
        told.append(f"PSI {found['psi']:.3f}, limit {psi_limit:g}")
    if (found.get("ks") or 0) > limits.ks:
        told.append(f"KS {found['ks']:.3f}, limit {limits.ks:g}")
    before, now = found["missing"]
    if abs(now - before) > limits.missing_change:
        told.append(f"missing {before:.1%} before and {now:.1%} now, limit {limits.missing_change:.1%} apart")
    if (found.get("unseen") or 0) > limits.unseen:
        told.append(f"{found['unseen']:.1%} new values ({', '.join(found['unseen_values'])}), limit {limits.unseen:.1%}")
    return told


def numbers(feature: Feature, reference: NumberTally, current: NumberTally) -> dict[str, Any]:
    """The distances of a number."""
    bins = deciles(reference.counts)
    sides = [binned(tally.counts, bins, int(bins.max()) + 1) for tally in (reference, current)]
    distance, error = kolmogorov_smirnov(reference.counts, current.counts)
    return {
        "psi": population_stability(shares(sides[0]), shares(sides[1])),
        "bins": len(sides[0]),
        "ks": distance,
        "ks_error": error,
        "means": tuple(tally.total / tally.finite if tally.finite else math.nan for tally in (reference, current)),
        "bars": histogram(feature, reference, current),
    }


def names(feature: Feature, reference: CategoryTally, current: CategoryTally) -> dict[str, Any]:
    """The distances of a category: its frequent values, the rarer ones together, and those that are new."""
    order = np.argsort(-reference.counts[:-1], kind="stable")
    told = [feature.words.get(value, value) for value in reference.values(order[:NAMED])]
    labels = (*told, *[RARER] * (len(order) > NAMED), "new values")
    place = np.full(len(reference.counts), NAMED, dtype="int64")
    place[order[:NAMED]] = np.arange(len(told))
    place[-1] = len(labels) - 1
    sides = [shares(binned(tally.counts, place, len(labels))) for tally in (reference, current)]
    kept = [index for index in range(len(labels)) if sides[0][index] or sides[1][index]]
    return {
        "psi": population_stability(*sides),
        "bins": len(kept),
        "bars": Bars(tuple(labels[index] for index in kept), *(tuple(float(side[index]) for index in kept) for side in sides)),
    }


def histogram(feature: Feature, reference: NumberTally, current: NumberTally) -> Bars:
    """At most `DRAWN` bars of equal width between the tails of both sides; the first and last take in what is beyond."""
    edges = reference.edges
    if not len(edges):  # nothing but infinities
        return Bars((), (), ())
    inner = (edges[1:] + edges[:-1]) / 2
    position = np.empty(2 * len(edges) + 1)
    position[1::2], position[0], position[-1], position[2:-1:2] = edges, edges[0], edges[-1], inner
    both = np.cumsum((shares(reference.counts) + shares(current.counts)) / 2)
    low, high = (float(position[min(np.searchsorted(both, part), len(position) - 1)]) for part in (TAIL, 1 - TAIL))
    width = (high - low) / DRAWN
    if feature.whole:
        width = max(1.0, math.ceil((high - low + 1) / DRAWN))
        low -= 0.5
        high += 0.5
    count = min(DRAWN, max(1, math.ceil((high - low) / width - 1e-9))) if width else 1
    bars = np.clip(np.floor((position - low) / (width or 1)), 0, count - 1).astype("int64")
    sides = [shares(binned(tally.counts, bars, count)) for tally in (reference, current)]
    labels = tuple(label(feature, low + width * index, width) for index in range(count))
    return Bars(labels, *(tuple(side.tolist()) for side in sides))


def label(feature: Feature, start: float, width: float) -> str:
    """What a bar stands for: a whole number, some of them, or where it begins."""
    if not feature.whole:
        if width == 0 or not 1e-3 <= max(abs(start), width) < 1e6:
            return f"{start:.{3 if width else 6}g}"
        decimals = max(0, -math.floor(math.log10(width)))  # so many that the next bar's number is another
        return f"{round(start, decimals) + 0.0:.{decimals}f}"  # and never -0
    first, last = math.ceil(start), math.ceil(start) + int(width) - 1
    return str(first) if first == last else f"{first} to {last}"
