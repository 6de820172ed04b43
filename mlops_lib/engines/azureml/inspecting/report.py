"""What was found of a stage: what is there, what lacks, and what could not be seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ....errors import MlopsError, format_error
from ..workspace import Look


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is there: its kind, name and state, and what else there is to know of it."""

    kind: str
    name: str
    state: str
    about: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lack:
    """Something that is not as Terraform said, or is of no use."""

    what: str
    why: str = ""
    fix: str = ""

    def __str__(self) -> str:
        return format_error(self.what, why=self.why, fix=self.fix)


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be seen, and why."""

    what: str
    why: str

    @classmethod
    def of(cls, what: str, look: Look) -> Unread:
        """What a look was denied."""
        denied: MlopsError | None = look.denied
        return cls(what, "; ".join(part for part in (denied.why, denied.fix) if part) if denied else "it is not there")


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; several add up to one."""

    facts: tuple[Fact, ...] = ()
    lacks: tuple[Lack, ...] = ()
    unread: tuple[Unread, ...] = ()


def joined(reports: Iterable[Report]) -> Report:
    """One report of several, in their order."""
    every = list(reports)
    return Report(tuple(fact for report in every for fact in report.facts),
                  tuple(lack for report in every for lack in report.lacks),
                  tuple(dict.fromkeys(unread for report in every for unread in report.unread)))
