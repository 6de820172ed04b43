"""How much better a model is than another one, beyond what chance would give, by the losses of single rows."""

from __future__ import annotations

import array
import hashlib
import math
import struct
import sys
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from .gate import Confidence

GROUPS = 1024  # of rows, that a resample draws from
LEAST = 100  # of rows: with fewer, chance passes clearly more often than the level says
LARGEST = 1e290  # of a row's improvement: sums stay finite


class Gain(NamedTuple):
    """The mean improvement, and what it exceeds in a share of ``level`` of the resamples; NaN when a row has no finite one."""

    mean: float
    bound: float


def gain(now: Sequence[float], before: Sequence[float], rule: Confidence) -> Gain:
    """By how much the losses *now* are smaller than those *before* of the same rows.

    Each row is put into one of :data:`GROUPS` groups by chance, and groups are drawn instead of rows: since rows are
    exchangeable, the means of groups vary as the rows say they must. So a resample costs a thousand draws however many rows
    there are, and rows are looked at once, one after the other. Few rows are a group each. Chance is SHAKE-256 of the seed:
    the same on every machine, and for every pair of models. Adding never makes less of more, so that a better row never
    lowers the bound.

    Args:
        now: Of the candidate, at least two.
        before: Of the champion, as many.
        rule: The level, and how often to draw.

    Source: the percentile bootstrap of Efron (1979), of pairs; the mean of a resample is a ratio, since groups differ in size.
    """
    rows = len(now)
    alone = rows <= GROUPS
    groups = rows if alone else GROUPS
    sums, sizes = [0.0] * groups, [0] * groups
    for group, less, more in zip(range(rows) if alone else _groups(rows, rule.seed), now, before, strict=True):
        better = more - less
        if not -LARGEST < better < LARGEST:
            return Gain(math.nan, math.nan)
        sums[group] += better
        sizes[group] += 1
    # fsum rounds once, and every version of Python gives the same.
    means = sorted(math.fsum(pick(sums)) / sum(pick(sizes)) for pick in _draws(groups, rule))
    return Gain(math.fsum(sums) / rows, means[math.floor((1 - rule.level) * rule.resamples)])


def _groups(rows: int, seed: int) -> Iterator[int]:
    """The group of each row."""
    words = array.array("H", hashlib.shake_256(f"groups {seed}".encode()).digest(2 * rows))
    if sys.byteorder == "big":
        words.byteswap()
    return (word % GROUPS for word in words)


def _draws(groups: int, rule: Confidence) -> Iterator[itemgetter[int]]:
    """What picks as many groups as there are, with replacement, of each resample."""
    size = struct.Struct(f"<{groups}I")
    for number in range(rule.resamples):
        words = size.unpack(hashlib.shake_256(f"draws {rule.seed} {number}".encode()).digest(size.size))
        yield itemgetter(*[word * groups >> 32 for word in words])
