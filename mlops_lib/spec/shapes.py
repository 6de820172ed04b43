"""What a piece of YAML may look like: shapes, and the findings when it does not."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from ..document import Items, Scalar, Table, Value
from ..errors import Finding, Place, Severity, Suggestion, did_you_mean, listing, nearest
from .reading import as_flag, as_number

# Keys of the previews before the schemas of today, and what they became.
RENAMED: Mapping[str, str] = {"algorithm": "sampling_algorithm", "args": "program_arguments", "file": "path",
                              "folder": "path", "local_path": "path"}


class Report:
    """Collects findings; everything that looks for mistakes gets one."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def add(self, code: str, what: str, place: Place, *, why: str = "", fix: str = "",
            severity: Severity = Severity.ERROR) -> None:
        """One more mistake."""
        self.findings.append(Finding(code=code, what=what, place=place, why=why, fix=fix, severity=severity))


class Shape(Protocol):
    """Anything that can be asked whether a value fits."""

    @property
    def noun(self) -> str:
        """What a value of this shape is called, with its article: ``a string``."""

    def check(self, value: Value, report: Report, where: str) -> None:
        """Report what is wrong with *value*, which stands at *where* (``jobs.prep.inputs``)."""


# Named tuples, not frozen dataclasses: every start of the compiler makes these classes, and a dataclass takes eight times
# as long to make.


def kind_of(value: Value) -> str:
    """What *value* is, for a message."""
    if isinstance(value, Table):
        return "a mapping"
    if isinstance(value, Items):
        return "a list"
    if value.value is None:
        return "empty"
    if isinstance(value.value, bool):
        return f"the boolean {value.text}"
    if isinstance(value.value, int | float):
        return f"the number {value.text}"
    if isinstance(value.value, str):
        return f"the string {value.text!r}"
    return f"the date {value.text}"


def _wrong(shape: Shape, value: Value, report: Report, where: str, fix: str = "") -> None:
    report.add("wrong-type", f"{where} must be {shape.noun}, not {kind_of(value)}", value.place, fix=fix)


def _is_expression(value: Scalar) -> bool:
    return isinstance(value.value, str) and "${{" in value.value


class Text(NamedTuple):
    """A string; *pattern* must match all of it. ``version: 1`` is a string to Azure ML, ``description: 1`` is not."""

    pattern: str = ""
    hint: str = ""
    numbers: bool = False
    empty: bool = False

    @property
    def noun(self) -> str:
        return "a string"

    def check(self, value: Value, report: Report, where: str) -> None:
        if not isinstance(value, Scalar):
            _wrong(self, value, report, where)
        elif not isinstance(value.value, str):
            if value.value is None and self.empty:
                return
            plain_number = isinstance(value.value, int | float) and not isinstance(value.value, bool)
            if not (self.numbers and plain_number):
                fix = f'write "{value.text}", in quotes' if value.value is not None else "give a value or remove the key"
                _wrong(self, value, report, where, fix)
        elif self.pattern and not _is_expression(value) and not re.fullmatch(self.pattern, value.value):
            report.add("bad-name", f"{where} is {value.value!r}", value.place, why=self.hint)


class Number(NamedTuple):
    """A number, or an integer when *whole*."""

    whole: bool = False
    minimum: float | None = None

    @property
    def noun(self) -> str:
        return "an integer" if self.whole else "a number"

    def check(self, value: Value, report: Report, where: str) -> None:
        if not isinstance(value, Scalar):
            _wrong(self, value, report, where)
            return
        if _is_expression(value):
            return
        number = as_number(value.value)
        if number is None or (self.whole and number != int(number)):
            _wrong(self, value, report, where)
        elif self.minimum is not None and number < self.minimum:
            report.add("out-of-range", f"{where} is {value.text}", value.place, why=f"it is at least {self.minimum:g}")


class Flag:
    """A boolean."""

    @property
    def noun(self) -> str:
        return "true or false"

    def check(self, value: Value, report: Report, where: str) -> None:
        if not isinstance(value, Scalar) or (as_flag(value.value) is None and not _is_expression(value)):
            _wrong(self, value, report, where)


class OneOf(NamedTuple):
    """One of a fixed set of words."""

    words: tuple[str, ...]
    folded: bool = False

    @property
    def noun(self) -> str:
        return f"one of {listing(self.words)}"

    def check(self, value: Value, report: Report, where: str) -> None:
        if not isinstance(value, Scalar) or not isinstance(value.value, str):
            _wrong(self, value, report, where)
            return
        word = value.value
        if self.folded:  # Azure ML reads some words in any case, some also in camel case
            word = next((form for form in (word.lower(), _snake(word)) if form in self.words), word.lower())
        if word not in self.words and not _is_expression(value):
            report.add("wrong-value", f"{where} is {value.value!r}", value.place, why=f"it is one of {listing(self.words)}",
                       fix=did_you_mean(value.value, self.words))


def _snake(word: str) -> str:
    return re.sub(r"(?<=[a-z\d])(?=[A-Z])", "_", word).lower()


class Anything:
    """No rule: Azure ML hands it on as it is."""

    @property
    def noun(self) -> str:
        return "a value"

    def check(self, value: Value, report: Report, where: str) -> None:
        return


class Plain:
    """Any one value: a string, a number, a boolean."""

    @property
    def noun(self) -> str:
        return "a value"

    def check(self, value: Value, report: Report, where: str) -> None:
        if not isinstance(value, Scalar) or value.value is None:
            _wrong(self, value, report, where)


class ListOf(NamedTuple):
    """A list of *item*."""

    item: Shape

    @property
    def noun(self) -> str:
        return "a list"

    def check(self, value: Value, report: Report, where: str) -> None:
        if not isinstance(value, Items):
            _wrong(self, value, report, where)
            return
        for index, item in enumerate(value.items):
            self.item.check(item, report, f"{where}[{index}]")


class MapOf(NamedTuple):
    """A mapping with keys of the user's choice; *empty* when a bare ``inputs:`` counts as none, which Azure ML refuses."""

    item: Shape
    key_pattern: str = ""
    key_hint: str = ""
    empty: bool = False

    @property
    def noun(self) -> str:
        return "a mapping"

    def check(self, value: Value, report: Report, where: str) -> None:
        if isinstance(value, Scalar) and value.value is None:
            if not self.empty:
                _wrong(self, value, report, where, "give it entries, or remove the key")
            return
        if not isinstance(value, Table):
            _wrong(self, value, report, where)
            return
        for key, item in value.entries.items():
            if self.key_pattern and not re.fullmatch(self.key_pattern, key):
                report.add("bad-name", f"{key!r} is no name for an entry of {where}", value.places[key], why=self.key_hint)
            self.item.check(item, report, f"{where}.{key}")


class Record(NamedTuple):
    """A mapping with known keys.

    *open* lets unknown keys pass, as the SDK does there; *elsewhere* tells of a key that belongs to another kind.
    """

    name: str
    fields: Mapping[str, Shape]
    required: tuple[str, ...] = ()
    open: bool = False
    elsewhere: Callable[[str], str] = lambda key: ""

    @property
    def noun(self) -> str:
        return "a mapping"

    def check(self, value: Value, report: Report, where: str) -> None:
        if not isinstance(value, Table):
            _wrong(self, value, report, where or self.name)
            return
        unknown: list[str] = []
        for key, item in value.entries.items():
            shape = self.fields.get(key)
            if shape is not None:
                shape.check(item, report, f"{where}.{key}" if where else key)
            elif not self.open:
                unknown.append(key)
                why = self.elsewhere(key)  # then a list of this kind's own keys would not help
                fix = nearest(key, self.fields) or "remove it" if why else did_you_mean(key, self.fields)
                today = RENAMED.get(key)
                if today is not None and today in self.fields and today not in value.entries:
                    why, fix = "early previews of Azure ML called it so", Suggestion(key, today, certain=True)
                report.add("unknown-key", f"{self.name} has no key {key!r}", value.places[key], why=why, fix=fix)
        for key in self.required:
            # One that is misspelt was told just now.
            if key not in value.entries and not any(RENAMED.get(word) == key or nearest(word, (key,)) for word in unknown):
                report.add("missing-key", f"{self.name} lacks {key!r}", value.place, fix=f"add '{key}: …'")


class ByForm(NamedTuple):
    """One shape for a scalar, another for a mapping, another for a list; what is absent is wrong."""

    scalar: Shape | None = None
    table: Shape | None = None
    items: Shape | None = None

    @property
    def noun(self) -> str:
        return " or ".join(shape.noun for shape in (self.scalar, self.table, self.items) if shape)

    def check(self, value: Value, report: Report, where: str) -> None:
        form = self.scalar if isinstance(value, Scalar) else self.table if isinstance(value, Table) else self.items
        if form is None:
            _wrong(self, value, report, where)
        else:
            form.check(value, report, where)


class ByType(NamedTuple):
    """A mapping whose key *key* chooses its shape; *default* names the one, *absent* is the one when the key is absent."""

    noun_: str
    shapes: Mapping[str, Shape]
    default: str | None = None
    key: str = "type"
    folded: bool = False
    why: str = ""
    absent: Shape | None = None

    @property
    def noun(self) -> str:
        return "a mapping"

    def check(self, value: Value, report: Report, where: str) -> None:
        if not isinstance(value, Table):
            _wrong(self, value, report, where)
            return
        chosen = value.get(self.key)
        name = where.rpartition(".")[2]
        subject = f"{self.noun_} {name!r}" if name not in ("", self.noun_) else self.noun_
        if chosen is None:
            if self.absent is not None:
                self.absent.check(value, report, where)
                return
            if self.default is None:
                report.add("missing-key", f"{subject} lacks {self.key!r}", value.place,
                           why=self.why, fix=f"add '{self.key}: …', one of {listing(sorted(self.shapes))}")
                return
            self.shapes[self.default].check(value, report, where)
            return
        word = chosen.value if isinstance(chosen, Scalar) else None
        if self.folded and isinstance(word, str):
            word = word.lower()
        shape = self.shapes.get(word) if isinstance(word, str) else None
        if shape is None:
            shown = chosen.text if isinstance(chosen, Scalar) else kind_of(chosen)
            report.add("unknown-type", f"{subject} has {self.key} {shown!r}", chosen.place,
                       why=self.why or f"it is one of {listing(self.shapes)}", fix=did_you_mean(shown, self.shapes))
        else:
            shape.check(value, report, where)


class Either(NamedTuple):
    """One of several mappings without a key that tells them apart: the one that a value comes nearest to judges it."""

    shapes: tuple[Record, ...]

    @property
    def noun(self) -> str:
        return "a mapping"

    def check(self, value: Value, report: Report, where: str) -> None:
        if not isinstance(value, Table):
            _wrong(self, value, report, where)
            return
        attempts = [Report() for _ in self.shapes]
        for shape, attempt in zip(self.shapes, attempts, strict=True):
            shape.check(value, attempt, where)
        report.findings += min(attempts, key=lambda attempt: len(attempt.findings)).findings


class Deferred(NamedTuple):
    """A shape of another module, which is imported when a value of it is met: most projects have none."""

    module: str
    name: str

    @property
    def noun(self) -> str:
        return "a mapping"

    def resolve(self) -> Shape:
        """The shape."""
        found: Shape = getattr(importlib.import_module(self.module), self.name)
        return found

    def check(self, value: Value, report: Report, where: str) -> None:
        self.resolve().check(value, report, where)
