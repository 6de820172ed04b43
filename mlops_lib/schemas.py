"""JSON Schemas of every kind of file, for editors: they accept and refuse what the compiler's tables of keys do.

What JSON Schema cannot say stays with ``mlops validate``: bindings, types of ports, files, and what YAML makes of a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .settings import SHAPE as SETTINGS
from .spec import KINDS, Shape
from .spec.shapes import Anything, ByForm, ByType, Deferred, Either, Flag, ListOf, MapOf, Number, OneOf, Plain, Record, Text

_EXPRESSION = {"type": "string", "pattern": r"\$\{\{"}
_NUMERIC = r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$"
_SCALAR = {"not": {"type": ["object", "array"]}}
_BY_WORD: Mapping[str, Shape] = {kind.replace(" ", "-").replace("_", "-"): shape for kind, shape in KINDS.items()} | {
    "settings": SETTINGS}
SCHEMAS = tuple(_BY_WORD)


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind of file.

    Raises:
        KeyError: *kind* is none of :data:`SCHEMAS`.
    """
    writer = _Writer()
    body = writer.schema(_BY_WORD[kind])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": kind, **body, "$defs": writer.definitions}


class _Writer:
    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._kept: list[Shape] = []  # so that no id is used again

    def schema(self, shape: Shape) -> dict[str, Any]:
        if isinstance(shape, Deferred):
            return self.schema(shape.resolve())
        if isinstance(shape, Record | ByType):
            return self._named(shape)
        if isinstance(shape, Text):
            return self._text(shape)
        if isinstance(shape, Number):
            return self._number(shape)
        if isinstance(shape, Flag):
            words = _any_case(("1", "on", "t", "true", "y", "yes", "0", "f", "false", "n", "no", "off"))
            return {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, {"type": "string", "pattern": words}, _EXPRESSION]}
        if isinstance(shape, OneOf):
            return self._one_of(shape)
        if isinstance(shape, Plain):
            return {"type": ["string", "number", "boolean"]}
        if isinstance(shape, ListOf):
            return {"type": "array", "items": self.schema(shape.item)}
        if isinstance(shape, MapOf):
            names = {"propertyNames": {"pattern": f"^(?:{shape.key_pattern})$"}} if shape.key_pattern else {}
            found = {"type": "object", "additionalProperties": self.schema(shape.item), **names}
            return {"anyOf": [{"type": "null"}, found]} if shape.empty else found
        if isinstance(shape, ByForm):
            forms: list[dict[str, Any]] = []
            if shape.scalar is not None:
                forms.append({"allOf": [_SCALAR, self.schema(shape.scalar)]})
            if shape.table is not None:
                forms.append({"type": "object", "allOf": [self.schema(shape.table)]})
            if shape.items is not None:
                forms.append({"type": "array", "allOf": [self.schema(shape.items)]})
            return {"anyOf": forms}
        if isinstance(shape, Either):
            return {"anyOf": [self.schema(part) for part in shape.shapes]}
        if isinstance(shape, Anything):
            return {}
        raise TypeError(f"no JSON Schema for {type(shape).__name__}")

    def _named(self, shape: Record | ByType) -> dict[str, Any]:
        if id(shape) not in self._names:
            noun = shape.name if isinstance(shape, Record) else shape.noun_
            stem = re.sub(r"\W+", "-", noun.lower()).strip("-")
            name, number = stem, 1
            while name in self.definitions:
                number += 1
                name = f"{stem}-{number}"
            self._names[id(shape)] = name
            self._kept.append(shape)
            self.definitions[name] = {}
            self.definitions[name] = self._record(shape) if isinstance(shape, Record) else self._by_type(shape)
        return {"$ref": f"#/$defs/{self._names[id(shape)]}"}

    def _record(self, shape: Record) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "object", "properties": {key: self.schema(part) for key, part in shape.fields.items()}}
        if shape.required:
            found["required"] = list(shape.required)
        if not shape.open:
            found["additionalProperties"] = False
        return found

    def _by_type(self, shape: ByType) -> dict[str, Any]:
        present = {"required": [shape.key]}
        branches: list[dict[str, Any]] = []
        words: list[str] = []
        for word, part in shape.shapes.items():
            pattern = _any_case((word,)) if shape.folded else f"^{re.escape(word)}$"
            words.append(pattern)
            condition = {**present, "properties": {shape.key: {"type": "string", "pattern": pattern}}}
            branches.append({"if": condition, "then": self.schema(part)})
        absent = shape.absent or (shape.shapes[shape.default] if shape.default is not None else None)
        branches.append({"if": {"not": present}, "then": self.schema(absent) if absent is not None else False})
        branches.append({"if": present, "then": {"properties": {shape.key: {"type": "string", "pattern": "|".join(words)}}}})
        return {"type": "object", "allOf": branches}

    @staticmethod
    def _text(shape: Text) -> dict[str, Any]:
        text: dict[str, Any] = {"type": "string"}
        if shape.pattern:
            text = {"anyOf": [{"type": "string", "pattern": f"^(?:{shape.pattern})$"}, _EXPRESSION]}
        others = [{"type": "number"}] if shape.numbers else []
        others += [{"type": "null"}] if shape.empty else []
        return {"anyOf": [text, *others]} if others else text

    @staticmethod
    def _number(shape: Number) -> dict[str, Any]:
        bounds: dict[str, Any] = {"type": "number"}
        if shape.whole:
            bounds["multipleOf"] = 1
        if shape.minimum is not None:
            bounds["minimum"] = shape.minimum
        return {"anyOf": [bounds, {"type": "string", "pattern": _NUMERIC}, _EXPRESSION]}

    @staticmethod
    def _one_of(shape: OneOf) -> dict[str, Any]:
        if not shape.folded:
            return {"anyOf": [{"enum": list(shape.words)}, _EXPRESSION]}
        return {"anyOf": [{"type": "string", "pattern": _any_case(shape.words)}, _EXPRESSION]}


def _any_case(words: tuple[str, ...]) -> str:
    """A pattern for words in any case, and with their underscores left out before a capital: MedianStopping."""
    return "^(?:" + "|".join("".join(
        "(?:_|(?=[A-Z]))" if character == "_" else f"[{character.lower()}{character.upper()}]" if character.isalpha()
        else re.escape(character) for character in word) for word in words) + ")$"
