"""Lenient access to checked documents: what has the wrong shape was reported already and reads as absent."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from ..document import Items, Scalar, Table, Value, plain


def text(table: Table, key: str) -> str | None:
    """The string under *key*; numbers as they were written (``version: 1``)."""
    value = table.get(key)
    return value.text if isinstance(value, Scalar) and value.value is not None else None


def word(table: Table, key: str) -> str | None:
    """Like :func:`text`, in lower case: Azure ML reads these words in any case."""
    found = text(table, key)
    return found.lower() if found is not None else None


def flag(table: Table, key: str) -> bool | None:
    """The boolean under *key*."""
    value = table.get(key)
    return as_flag(value.value) if isinstance(value, Scalar) else None


def whole(table: Table, key: str) -> int | None:
    """The integer under *key*."""
    value = table.get(key)
    number = as_number(value.value) if isinstance(value, Scalar) else None
    return int(number) if number is not None and number == int(number) else None


def as_flag(value: object) -> bool | None:
    """*value* as a boolean; None when it is none. Azure ML takes the words ``"true"`` and ``"no"`` in quotes as well."""
    word = str(value).lower()
    if word in ("1", "on", "t", "true", "y", "yes"):
        return True
    return False if word in ("0", "f", "false", "n", "no", "off") else None


def as_number(value: object) -> float | None:
    """*value*, or its text, as a finite number; None when it is none. Python's ``"1_000"`` is a number to nobody else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and "_" in value):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def entries(table: Table, key: str) -> Mapping[str, Value]:
    """The mapping under *key*, empty when there is none."""
    value = table.get(key)
    return value.entries if isinstance(value, Table) else {}


def untold(table: Table) -> frozenset[str]:
    """Which of ``inputs`` and ``outputs`` are there and cannot be read: misspelt, or no mapping.

    That was reported; what they were meant to hold must not be told again as missing wherever it is used.
    """
    return frozenset(side for side in ("inputs", "outputs") if _unreadable(table, side))


def _unreadable(table: Table, side: str) -> bool:
    value = table.get(side)
    if value is None:
        return misspelt(side, table.entries)
    return isinstance(value, Items) or (isinstance(value, Scalar) and value.value is not None)


def misspelt(word: str, keys: Iterable[str]) -> bool:
    """Whether one of *keys* is *word* but for a letter or two."""
    return any(abs(len(key) - len(word)) <= 2 and key != word and _resembles(key, word) for key in keys)


@lru_cache(maxsize=512)
def _resembles(key: str, word: str) -> bool:
    # Every job of every file is asked this, and most have the same keys.
    letters, found = Counter(word), Counter(key.lower())
    return (letters - found).total() + (found - letters).total() <= 2


def subtable(table: Table, key: str) -> Table | None:
    """The mapping under *key* with its places."""
    value = table.get(key)
    return value if isinstance(value, Table) else None


def texts(table: Table, key: str) -> tuple[str, ...]:
    """The list of strings under *key*."""
    value = table.get(key)
    return tuple(item.text for item in value.items if isinstance(item, Scalar)) if isinstance(value, Items) else ()


def text_map(table: Table, key: str) -> dict[str, str]:
    """The mapping of strings under *key*, each as Azure ML would stringify it."""
    return {name: literal_text(value) for name, value in entries(table, key).items() if isinstance(value, Scalar)}


def rest(table: Table, known: Iterable[str]) -> dict[str, Any]:
    """Everything under keys other than *known*, as plain data."""
    skip = frozenset(known)
    return {key: plain(value) for key, value in table.entries.items() if key not in skip}


def literal_text(value: Scalar) -> str:
    """What a command gets for a literal: Python's ``str()``, as the SDK does it (``True``, ``0.1``); dates as written."""
    if value.value is None:
        return ""
    return value.text if isinstance(value.value, datetime.date) else str(value.value)
