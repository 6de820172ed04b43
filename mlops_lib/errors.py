"""The one hierarchy of errors, and what a mistake in a file looks like.

    MlopsError                       what, why, fix, place
    ├── InputError          exit 2   wrong YAML, wrong values, wrong usage
    │   └── CompileError             every mistake of a project's files, as findings
    ├── StageError          exit 4   a stage could not be reached, or lacks something
    ├── Refused             exit 3   a gate, or a registry, refused to change the champion of a stage
    ├── JobError            exit 1   a job failed
    │   └── RunError                 what the machine refused while a run was at work: a full disk, a read-only project
    └── Canceled            exit 130 the user stopped the run

A caller's own bug stays a plain ``ValueError``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Place(NamedTuple):
    """Where something stands in a file; *line* and *column* count from 1, 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Severity(str, Enum):
    """Whether a finding keeps a pipeline from running."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One mistake: a stable *code*, what is wrong, where, why it matters and how to mend it."""

    code: str
    what: str
    place: Place
    why: str = ""
    fix: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return format_error(self.what, place=self.place, why=self.why, fix=self.fix)


class MlopsError(Exception):
    """A mistake that a user can mend; prints as ``place: what``, then why and fix."""

    exit_code = 2

    def __init__(self, what: str, *, why: str = "", fix: str = "", place: Place | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.place = place

    def __str__(self) -> str:
        return format_error(self.what, place=self.place, why=self.why, fix=self.fix)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions pickle through args alone, which would lose the keywords on the way back from a worker.
        return _rebuild, (type(self), self.__dict__, self.args)


def _rebuild(cls: type[MlopsError], state: dict[str, object], args: tuple[object, ...]) -> MlopsError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class InputError(MlopsError):
    """Wrong YAML, wrong values or wrong usage."""


class CompileError(InputError):
    """Every mistake found in a project's files.

    Attributes:
        findings: In order of file and line; at least one of them is an error.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: Sequence[Finding] = in_order(findings)
        first = next((f for f in self.findings if f.severity is Severity.ERROR), self.findings[0])
        super().__init__(first.what, why=first.why, fix=first.fix, place=first.place)

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self.findings)


class StageError(MlopsError):
    """A stage could not be reached, or lacks something."""

    exit_code = 4


class Refused(MlopsError):
    """A gate, or a registry, refused to change the champion of a stage; nothing has changed."""

    exit_code = 3


class JobError(MlopsError):
    """A job of a pipeline failed."""

    exit_code = 1


class RunError(JobError):
    """The machine refused what a run needed: a full disk, a read-only folder, a missing program."""


class Canceled(MlopsError):
    """The user stopped the run; what finished is kept."""

    exit_code = 130


def format_error(what: str, *, place: Place | None = None, why: str = "", fix: str = "") -> str:
    """The form in which every error reads."""
    lines = [f"{place}: {what}" if place else what]
    if why:
        lines.append(f"  why: {why}")
    if fix:
        lines.append(f"  fix: {fix}")
    return "\n".join(lines)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """*findings* sorted by file, line and column, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda f: (f.place, f.code, f.what)))


class Suggestion(str):
    """``did you mean 'x'?``: a fix as text that also says which word to write instead of which.

    Attributes:
        word: What is written.
        instead: What was meant.
        certain: No other known word comes near it, so that a program may put it there.
    """

    word: str
    instead: str
    certain: bool

    def __new__(cls, word: str, instead: str, *, certain: bool = False) -> Suggestion:
        self = super().__new__(cls, f"did you mean {instead!r}?")
        self.word, self.instead, self.certain = word, instead, certain
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, bool]]:
        return (self.word, self.instead), {"certain": self.certain}


def did_you_mean(word: str, known: Collection[str]) -> str:
    """``did you mean 'x'?`` for the nearest of *known*, or a list of them when none is near."""
    return nearest(word, known) or (f"use one of {listing(sorted(set(known)))}" if known else "")


def nearest(word: str, known: Collection[str]) -> str:
    """``did you mean 'x'?`` for the nearest of *known*, or nothing when none is near."""
    import difflib  # only a wrong file pays for it

    names = sorted(set(known))
    found = difflib.get_close_matches(word, names, n=2, cutoff=0.6)
    if not found:
        folded = {name.lower(): name for name in names}
        return Suggestion(word, folded[word.lower()], certain=True) if word.lower() in folded else ""
    ratios = [difflib.SequenceMatcher(None, word, name).ratio() for name in found]
    clear = ratios[0] >= _CERTAIN and (len(ratios) == 1 or ratios[0] - ratios[1] >= _MARGIN)
    return Suggestion(word, found[0], certain=clear and len(word) > 2)


def is_slip(word: str, known: str) -> bool:
    """Whether *word* is *known* with one slip of the hand: a letter left out, added, changed, or two exchanged.

    Another number is no slip: ``train2`` is not meant to be ``train1``.
    """
    start = 0
    while start < min(len(word), len(known)) and word[start] == known[start]:
        start += 1
    end = 0
    while end < min(len(word), len(known)) - start and word[-1 - end] == known[-1 - end]:
        end += 1
    one, other = word[start : len(word) - end], known[start : len(known) - end]
    if not one + other or (one + other).isdecimal():
        return False
    return max(len(one), len(other)) == 1 or (len(one) == 2 and one == other[::-1])


_CERTAIN, _MARGIN = 0.75, 0.15  # a letter or two of a word, and nothing else that it could be


def listing(names: Iterable[str], limit: int = 12) -> str:
    """Names for a message: all of them, or the first *limit* and an ellipsis."""
    shown = list(names)
    return ", ".join(shown[:limit]) + (", …" if len(shown) > limit else "")


def duration(seconds: float) -> str:
    """A time span as people read it: ``40 ms``, ``0.4 s``, ``12 s``, ``3 min 05 s``."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
