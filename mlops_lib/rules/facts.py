"""Lenient access to the values of a document: what has the wrong shape reads as absent."""

from __future__ import annotations

from typing import NamedTuple

from ..document import Items, Scalar, Table, Value
from ..errors import Place
from ..spec.reading import as_number

MANY = 1_000_000  # as many as one likes


class Arity(NamedTuple):
    """How many arguments a function takes by position: from *least* to *most*."""

    least: int
    most: int

    def __str__(self) -> str:
        if self.least == self.most:
            return f"{self.least or 'no'} argument{'' if self.least == 1 else 's'}"
        return f"{self.least} to {self.most} arguments" if self.most < MANY else f"{self.least} or more arguments"


def table(value: Value | None, key: str) -> Table | None:
    """The mapping under *key*."""
    found = value.get(key) if isinstance(value, Table) else None
    return found if isinstance(found, Table) else None


def scalar(value: Value | None, key: str) -> Scalar | None:
    """The scalar under *key*, unless it is null or an expression that only the run knows."""
    found = value.get(key) if isinstance(value, Table) else None
    if not isinstance(found, Scalar) or found.value is None or "${{" in found.text:
        return None
    return found


def word(value: Value | None, key: str) -> str | None:
    """The text under *key* in lower case."""
    found = scalar(value, key)
    return found.text.lower() if found is not None else None


def number(value: Value | None, key: str) -> float | None:
    """The number under *key*."""
    found = scalar(value, key)
    return as_number(found.value) if found is not None else None


def items(value: Value | None, key: str) -> tuple[Value, ...]:
    """The list under *key*; one value stands for a list of it."""
    found = value.get(key) if isinstance(value, Table) else None
    if isinstance(found, Items):
        return found.items
    return (found,) if isinstance(found, Scalar) and found.value is not None else ()


def place(value: Table, key: str) -> Place:
    """Where the value under *key* stands; the mapping itself when it has none."""
    found = value.get(key)
    return found.place if found is not None else value.place
