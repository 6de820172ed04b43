"""How far two samples are apart, from how many of their values fall into the same cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

SMALLEST = 1e-4  # the share that an empty bin is given, so that one value in a new place is not an infinite drift
BINS = 10


def shares(counts: Counts) -> Numbers:
    """Counts as shares of their sum; all zero when nothing was counted."""
    return np.asarray(counts / max(1, int(counts.sum())), dtype="float64")


def population_stability(expected: Numbers, actual: Numbers) -> float:
    """Population stability index of two binned samples: the sum of ``(a - e) * ln(a / e)``, in nats.

    Args:
        expected: Share of the reference in each bin, shape (bins,).
        actual: Share of the current rows in the same bins.

    Returns:
        At least 0, and 0 when the shares agree; the same with the two exchanged. Shares below `SMALLEST` count as that, so
        that it is finite.

    Source: the symmetric divergence J of Kullback & Leibler (1951).
    """
    e, a = np.maximum(expected, SMALLEST), np.maximum(actual, SMALLEST)
    return float(((a - e) * np.log(a / e)).sum())


def by_chance(bins: int, expected_rows: int, actual_rows: int) -> float:
    """The index to be expected of two samples of the same data: what is not well above it says nothing.

    The index is about a chi-squared statistic of ``bins - 1`` degrees of freedom, times ``1 / n + 1 / m``.
    """
    return (bins - 1) * (1 / expected_rows + 1 / actual_rows) if expected_rows and actual_rows else 0.0


def deciles(reference: Counts) -> Counts:
    """For each of many cells in order, which of at most `BINS` bins of about equal reference it belongs to.

    A cell goes where the middle of its share of the reference lies. So a value that many rows have gets a bin of its own,
    and one between two values of the reference may be a bin in which the reference has nothing.
    """
    part = shares(reference)
    middle = np.cumsum(part) - part / 2
    _, bins = np.unique(np.minimum((middle * BINS + 1e-9).astype("int64"), BINS - 1), return_inverse=True)
    return np.asarray(bins, dtype="int64")


def binned(counts: Counts, bins: Counts, number: int) -> Counts:
    """Counts of cells as counts of the so many bins that they belong to."""
    return np.bincount(bins, weights=counts, minlength=number).astype("int64")


def kolmogorov_smirnov(reference: Counts, current: Counts) -> tuple[float, float]:
    """The largest distance between two cumulative distributions, and by how much it may be larger than that.

    Args:
        reference: How many values lie before the first edge, at it, between it and the next, at that, …: shape (2 n + 1,).
        current: The same of the other sample.

    Returns:
        The distance, in 0..1, exact at the edges; and the largest share of a sample between two of them, within which it
        was not looked at. 0 means that the distance is exact.
    """
    r, c = shares(reference), shares(current)
    distance = float(np.abs(np.cumsum(r) - np.cumsum(c)).max())
    return min(1.0, distance), float(np.maximum(r[::2], c[::2]).max())
