"""How much better rows are than by chance."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence

from .gate import Confidence

GROUPS = 1024  # of rows, that a resample draws from


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
