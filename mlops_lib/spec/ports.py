"""Ports and what is given to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..binding import BindingError, JobPort, PipelinePort, has_expression, meant, substitute
from ..binding import parse as parse_binding
from ..document import Scalar, Table, Value
from ..errors import Place, Suggestion, nearest
from . import reading
from .kinds import DATA_TYPES, LITERAL_TYPES
from .reading import as_number
from .shapes import RENAMED, Report

NOWHERE = Place("<memory>")
_INPUT_MODELLED = ("type", "optional", "default", "enum", "min", "max", "description", "mode")
_OUTPUT_MODELLED = ("type", "mode", "path", "name", "version", "description")
_KNOWN_IN_PATHS: Mapping[str, str] = dict.fromkeys(("default_datastore", "name", "output_name"), "")


def _place() -> Any:
    """A place takes no part in equality: two specs are the same wherever they were written."""
    return field(default=NOWHERE, compare=False, repr=False)


def _no_rest() -> Any:
    """Keys that Azure ML knows and nothing here looks at: kept for writing."""
    return field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """An input port of a component; *default*, *min* and *max* are texts as a command would get them."""

    type: str
    optional: bool = False
    default: str | None = None
    enum: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    description: str | None = None
    mode: str | None = None
    rest: Mapping[str, Any] = _no_rest()
    written: Scalar | None = field(default=None, compare=False, repr=False)  # the default, before it was coerced
    place: Place = _place()

    @property
    def literal(self) -> bool:
        """Whether a value goes in, not data."""
        return self.type in LITERAL_TYPES

    @property
    def required(self) -> bool:
        """Whether a job must bind it."""
        return not self.optional and self.default is None

    @classmethod
    def from_document(cls, value: Value, place: Place | None = None) -> Input:
        """An input of a component, as checked by its shape; *place* is that of its name."""
        if not isinstance(value, Table):
            return cls(type="unknown", place=place or value.place)
        type_ = reading.text(value, "type") or "unknown"
        default = value.get("default")
        return cls(
            type=type_,
            optional=reading.flag(value, "optional") or False,
            default=coerced(type_, default) if isinstance(default, Scalar) and default.value is not None else None,
            enum=_choices(value, type_),
            min=_number(value, "min"),
            max=_number(value, "max"),
            description=reading.text(value, "description"),
            mode=reading.text(value, "mode"),
            rest=reading.rest(value, _INPUT_MODELLED),
            written=default if isinstance(default, Scalar) else None,
            place=place or value.place,
        )

    def to_dict(self) -> dict[str, Any]:
        """The YAML of this port."""
        result: dict[str, Any] = {"type": self.type}
        if self.description is not None:
            result["description"] = self.description
        if self.optional:
            result["optional"] = True
        if self.default is not None:
            result["default"] = typed(self.type, self.default)
        for key, bound in (("min", self.min), ("max", self.max)):
            if bound is not None:
                result[key] = int(bound) if self.type == "integer" and bound == int(bound) else bound
        if self.enum:
            result["enum"] = list(self.enum)
        if self.mode is not None:
            result["mode"] = self.mode
        return result | dict(self.rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """An output port of a component."""

    type: str
    description: str | None = None
    mode: str | None = None
    rest: Mapping[str, Any] = _no_rest()
    place: Place = _place()

    @classmethod
    def from_document(cls, value: Value, place: Place | None = None) -> Output:
        """An output of a component, as checked by its shape; *place* is that of its name."""
        if not isinstance(value, Table):
            return cls(type="unknown", place=place or value.place)
        return cls(type=reading.text(value, "type") or "unknown", description=reading.text(value, "description"),
                   mode=reading.text(value, "mode"), rest=reading.rest(value, ("type", "description", "mode")),
                   place=place or value.place)

    def to_dict(self) -> dict[str, Any]:
        """The YAML of this port."""
        result = {"type": self.type, "description": self.description, "mode": self.mode}
        return {key: value for key, value in result.items() if value is not None} | dict(self.rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Literal:
    """A value given to an input: *text* is what the command gets, *value* what YAML made of it."""

    text: str
    value: Any = field(compare=False)
    written: Scalar | None = field(default=None, compare=False, repr=False)
    place: Place = _place()

    def to_dict(self) -> Any:
        """The YAML of this value."""
        return self.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """Data given to an input: a local path, ``azureml:name@label``, ``azureml://…``, ``https://…``."""

    path: str
    type: str | None = None
    mode: str | None = None
    rest: Mapping[str, Any] = _no_rest()
    place: Place = _place()

    def to_dict(self) -> Any:
        """The YAML of this value."""
        result = {"type": self.type, "path": self.path, "mode": self.mode}
        return {key: value for key, value in result.items() if value is not None} | dict(self.rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """A binding to the pipeline's input or to another job's port."""

    to: PipelinePort | JobPort
    mode: str | None = None
    type: str | None = None
    place: Place = _place()

    def to_dict(self) -> Any:
        """The YAML of this value."""
        if self.mode is None and self.type is None:
            return str(self.to)
        result = {"type": self.type, "path": str(self.to), "mode": self.mode}
        return {key: value for key, value in result.items() if value is not None}


InputValue = Literal | Data | Bound


def read_input_value(value: Value, report: Report, where: str) -> InputValue | None:
    """What a job gives to an input: None (reported here or by the shape) when it makes no sense."""
    if isinstance(value, Scalar):
        if isinstance(value.value, str) and has_expression(value.value):
            bound = _bound(value, report, where)
            return Bound(to=bound, place=value.place) if bound else None
        if _nearly_bound(value, report, where):
            return None
        if value.value is None:
            report.add("missing-value", f"{where} has no value", value.place, fix="give one, or remove the key")
            return None
        return Literal(text=reading.literal_text(value), value=value.value, written=value, place=value.place)
    if not isinstance(value, Table):
        return None
    given = value.get("value") or value.get("default")
    if isinstance(given, Scalar):
        return read_input_value(given, report, where)
    type_, mode, path = reading.word(value, "type"), reading.word(value, "mode"), value.get("path")
    if path is None:  # under the name it once had: told by the shape, and not told again as a missing one
        path = next((given for key, given in value.entries.items() if RENAMED.get(key) == "path"), None)
    if not isinstance(path, Scalar):
        report.add("missing-key", f"{where} has no path", value.place, fix="add 'path: …' with a path or a binding")
        return None
    if has_expression(substitute(path.text, _KNOWN_IN_PATHS.get)):
        bound = _bound(path, report, where)
        return Bound(to=bound, mode=mode, type=type_, place=path.place) if bound else None
    if _nearly_bound(path, report, where):
        return None
    return Data(path=path.text, type=type_, mode=mode, rest=reading.rest(value, ("type", "path", "mode")), place=path.place)


def _bound(value: Scalar, report: Report, where: str) -> PipelinePort | JobPort | None:
    try:
        return parse_binding(value.text)
    except BindingError as error:
        instead = meant(value.text)
        report.add("bad-binding", f"{where} is {value.text!r}", value.place, why=str(error),
                   fix=Suggestion(value.text.strip(), instead, certain=True) if instead else
                   "bind the whole value: ${{parent.inputs.NAME}} or ${{parent.jobs.JOB.outputs.NAME}}")
        return None


def _nearly_bound(value: Scalar, report: Report, where: str) -> bool:
    """Whether a text without ``${{`` was meant to be a binding all the same; reported."""
    instead = meant(value.value) if isinstance(value.value, str) and "parent." in value.value else None
    if instead is not None:
        report.add("bad-binding", f"{where} is the text {value.text!r}", value.place,
                   why="a binding stands between '${{' and '}}'", fix=Suggestion(value.text.strip(), instead, certain=True))
    return instead is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobOutput:
    """What a job or a pipeline says of an output: where it goes, what it is called."""

    type: str | None = None
    mode: str | None = None
    path: str | None = None
    name: str | None = None
    version: str | None = None
    description: str | None = None
    bound: PipelinePort | JobPort | None = None
    rest: Mapping[str, Any] = _no_rest()
    place: Place = _place()

    @classmethod
    def from_document(cls, value: Value, report: Report, where: str) -> JobOutput:
        """All three spellings: empty, a binding, or a mapping whose path may be a binding."""
        if isinstance(value, Scalar):
            bound = _bound(value, report, where) if value.value is not None else None
            return cls(bound=bound, place=value.place)
        if not isinstance(value, Table):
            return cls(place=value.place)
        path = value.get("path")
        bound = None
        if isinstance(path, Scalar) and has_expression(substitute(path.text, _KNOWN_IN_PATHS.get)):
            bound = _bound(path, report, where)
        return cls(
            type=reading.word(value, "type"), mode=reading.word(value, "mode"),
            path=reading.text(value, "path") if bound is None else None,
            name=reading.text(value, "name"), version=reading.text(value, "version"),
            description=reading.text(value, "description"), bound=bound, rest=reading.rest(value, _OUTPUT_MODELLED),
            place=value.place,
        )

    def to_dict(self) -> Any:
        """The YAML of this output."""
        result = {"type": self.type, "mode": self.mode, "path": str(self.bound) if self.bound else self.path,
                  "name": self.name, "version": self.version, "description": self.description}
        result = {key: value for key, value in result.items() if value is not None} | dict(self.rest)
        return result["path"] if self.bound and len(result) == 1 else result or None


def _scalars(table: Table, key: str) -> list[Scalar]:
    value = table.get(key)
    return [item for item in getattr(value, "items", ()) if isinstance(item, Scalar)] if value is not None else []


def _choices(table: Table, type_: str) -> tuple[str, ...]:
    """The texts of ``enum``; none when one of a string's is no string, which its shape tells."""
    items = _scalars(table, "enum")
    if type_ == "string" and not all(isinstance(item.value, str) for item in items):
        return ()
    return tuple(coerced(type_, item) for item in items)


def _number(table: Table, key: str) -> float | None:
    found = reading.text(table, key)
    return as_number(found) if found is not None else None


def coerced(type_: str, value: Scalar) -> str:
    """The text of a component's default, as the SDK coerces it: it reads every number as a float, then asks for the type.

    A number's ``2`` is ``2.0`` and its ``1e-3`` is ``0.001``; a string's ``2013`` is ``2013.0`` and its ``yes`` is ``True``.
    """
    raw = reading.literal_text(value)
    number = as_number(value.value)
    if number is None or (type_ == "string" and isinstance(value.value, str)):
        return raw
    if type_ == "integer":
        return str(int(number)) if number == int(number) else raw
    return str(number) if type_ in ("number", "string") else raw


def typed(type_: str, text: str) -> Any:
    """A literal's text as the value of its declared type, for writing YAML."""
    if type_ == "boolean" and text in ("True", "False"):
        return text == "True"
    number = as_number(text) if type_ in ("integer", "number") else None
    if number is None or (type_ == "integer" and number != int(number)):
        return text
    return number if type_ == "number" else int(text) if text.lstrip("+-").isdecimal() else int(number)


def value_problem(port: Input, text: str, value: Any) -> tuple[str, str] | None:
    """Why a literal does not fit a port: (what is wrong, how to mend it); None when it fits.

    Lenient as Azure ML is: everything is sent as text, so ``"3"`` fits an integer and any scalar fits a string.
    """
    if port.type in DATA_TYPES:
        return None
    if port.type == "boolean":
        if not (isinstance(value, bool) or text.lower() in ("true", "false")):
            return "is not a boolean", "write true or false"
        return None
    if port.type in ("integer", "number"):
        number = None if isinstance(value, bool) else as_number(text)
        if number is None:
            return f"is not {'an integer' if port.type == 'integer' else 'a number'}", ""
        if port.type == "integer" and not text.strip().lstrip("+-").isdecimal():
            # The command gets the text: int("1.0") fails there, long after this.
            return "is not written as an integer", f"write {int(number)}" if number == int(number) else ""
        if port.min is not None and port.max is not None and port.min > port.max:
            return None  # told where the bounds are written
        if port.min is not None and number < port.min:
            return f"is below the minimum {port.min:g}", ""
        if port.max is not None and number > port.max:
            return f"is above the maximum {port.max:g}", ""
        if port.enum and number not in map(as_number, port.enum):
            return f"is none of {', '.join(port.enum)}", ""
        return None
    if port.enum and text not in port.enum:
        return f"is none of {', '.join(port.enum)}", nearest(text, port.enum)
    return None


Ports = Mapping[str, Input]
