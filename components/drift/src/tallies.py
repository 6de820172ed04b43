"""Two tables, batch by batch, as counts of the same cells: what a comparison needs, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from batches import Source

BATCH = 65_536
SAMPLE = 100_000  # rows of each side from which the cells of numbers are chosen; all of them are counted afterwards
CELLS = 4096  # edges between them, at most: where every value is one, nothing is rounded
CATEGORIES = 10_000  # more values are no category but a name, of which every row may have another
EXAMPLES = 5


@dataclass(frozen=True)
class Feature:
    """A column that is compared.

    Attributes:
        kind: ``number`` or ``category``.
        whole: Whether its numbers are whole ones.
        words: What the values of a category stand for, by the value as text.
    """

    name: str
    kind: str
    whole: bool = False
    words: Mapping[str, str] = field(default_factory=dict)


class Tally(Protocol):
    """What one side of a feature has come to; `missing` counts its rows without a value."""

    missing: int

    def add(self, values: pa.Array) -> None: ...


@dataclass
class NumberTally:
    """Numbers, counted by cells.

    Attributes:
        edges: Ascending, without repetition.
        counts: How many values lie before the first edge, at it, between it and the next, and so on.
        total: The sum of the finite ones.
    """

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64] = field(init=False)
    missing: int = 0
    total: float = 0.0
    finite: int = 0

    def __post_init__(self) -> None:
        self.counts = np.zeros(2 * len(self.edges) + 1, dtype="int64")

    def add(self, values: pa.Array) -> None:
        found = present(values)
        self.missing += len(values) - len(found)
        before = np.searchsorted(self.edges, found)
        at = np.append(self.edges, np.nan)[before] == found
        self.counts += np.bincount(2 * before + at, minlength=len(self.counts))
        real = found[np.isfinite(found)]
        self.total += float(real.sum())
        self.finite += len(real)


@dataclass
class CategoryTally:
    """Categories, counted by the values that the reference has; the last count is of all others.

    Attributes:
        known: None when they are too many to be categories; then all of them are others.
        unseen: A few of the others, as they came.
    """

    known: pa.Array | None
    counts: npt.NDArray[np.int64] = field(init=False)
    missing: int = 0
    unseen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = np.zeros(1 if self.known is None else len(self.known) + 1, dtype="int64")

    def add(self, values: pa.Array) -> None:
        self.missing += values.null_count
        if self.known is None:
            self.counts[0] += len(values) - values.null_count
            return
        found = values.drop_null()
        place = pc.index_in(found, value_set=self.known)
        self.counts += np.bincount(pc.fill_null(place, len(self.known)), minlength=len(self.counts))
        if place.null_count and len(self.unseen) < EXAMPLES:
            others = pc.unique(found.filter(pc.is_null(place))).to_pylist()
            self.unseen += [value for value in others if value not in self.unseen][: EXAMPLES - len(self.unseen)]

    def values(self, positions: npt.NDArray[np.int64]) -> list[str]:
        """The known values at those positions."""
        return [] if self.known is None else list(self.known.take(pa.array(positions)).to_pylist())


def present(values: pa.Array) -> npt.NDArray[np.float64]:
    """The numbers that are there, as 64-bit floats; NaN is a number that is not."""
    found: npt.NDArray[np.float64] = values.drop_null().to_numpy(zero_copy_only=False)
    return found[~np.isnan(found)]


def plain(column: pa.ChunkedArray, kind: str) -> pa.Array:
    """A column as 64-bit floats, or for a category as text, whatever its encoding or width."""
    values = column.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if kind == "number":
        return values.cast(pa.float64(), safe=False)
    if pa.types.is_floating(values.type):  # codes that pandas has turned into floats, because some are missing
        values = pc.if_else(pc.is_nan(values), None, values)
        whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**53))
        codes = pc.if_else(whole, values, None).cast(pa.int64())
        return pc.coalesce(codes.cast(pa.string()), values.cast(pa.string()))
    return values.cast(pa.string())


def tallied(reference: Source, current: Source, features: Sequence[Feature]) -> dict[str, tuple[Any, Any]]:
    """Reference and current counts of each feature, in the same cells; each source is read twice."""
    numbers = [feature for feature in features if feature.kind == "number"]
    samples = [sampled(source, numbers) for source in (reference, current)]
    values = distinct(reference, [feature for feature in features if feature.kind == "category"])

    def empty(feature: Feature) -> Tally:
        if feature.kind == "number":
            return NumberTally(edges(np.concatenate([sample[feature.name] for sample in samples])))
        return CategoryTally(values[feature.name])

    tallies = {feature.name: (empty(feature), empty(feature)) for feature in features}
    for side, source in enumerate((reference, current)):
        for batch in columns(source, features):
            for feature in features:
                tallies[feature.name][side].add(plain(batch[feature.name], feature.kind))
    return tallies


def columns(source: Source, features: Sequence[Feature]) -> Iterator[pa.Table]:
    """The rows of a source with only the columns of those features."""
    if features:
        narrow = replace(source, schema=pa.schema([source.schema.field(feature.name) for feature in features]))
        yield from (batch for batch, _ in narrow.batches(BATCH))


def sampled(source: Source, features: Sequence[Feature]) -> dict[str, npt.NDArray[np.float64]]:
    """The finite numbers of at most `SAMPLE` rows, the same rows every time."""
    chosen = np.arange(source.rows)
    if source.rows > SAMPLE:
        chosen = np.sort(np.random.default_rng(0).choice(source.rows, SAMPLE, replace=False, shuffle=False))
    taken: dict[str, list[npt.NDArray[np.float64]]] = {feature.name: [] for feature in features}
    start = 0
    for batch in columns(source, features):
        first, last = np.searchsorted(chosen, (start, start + batch.num_rows))
        rows = batch.take(pa.array(chosen[first:last] - start))
        for feature in features:
            found = present(plain(rows[feature.name], "number"))
            taken[feature.name].append(found[np.isfinite(found)])
        start += batch.num_rows
    return {name: np.concatenate([np.empty(0), *parts]) for name, parts in taken.items()}


def edges(sample: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where cells begin: every value of the sample, or when those are too many, its quantiles."""
    values = np.unique(sample)
    if len(values) <= CELLS:
        return values
    return np.unique(np.quantile(sample, np.linspace(0, 1, CELLS), method="inverted_cdf"))


def distinct(source: Source, features: Sequence[Feature]) -> dict[str, pa.Array | None]:
    """The values of each category in order, or None when they are more than `CATEGORIES`."""
    found: dict[str, pa.Array | None] = {feature.name: pa.array([], pa.string()) for feature in features}
    for batch in columns(source, features):
        for name, known in found.items():
            if known is not None:
                new = pc.unique(plain(batch[name], "category").drop_null())
                both = pc.unique(pa.concat_arrays([known, new]))
                found[name] = both if len(both) <= CATEGORIES else None
    return {name: None if known is None else known.take(pc.sort_indices(known)) for name, known in found.items()}
