"""YAML text into values that remember file, line and column.

YAML is read as Azure ML reads it (1.1: ``yes`` is true, ``1e-3`` is a string). Every value and every key keeps its place,
so that whoever finds a mistake later can point at it.
"""

from __future__ import annotations

import bisect
import codecs
import datetime
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import yaml

from .errors import CompileError, Finding, Place

LIMIT_BYTES = 5_000_000
LIMIT_DEPTH = 100
LIMIT_VALUES = 1_000_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it: 8 times faster
_BLOCK_DEPTH = re.compile(r"(?:[-?:][ \t]+){50,}|[ ]{400,}")
_LONGEST_NUMBER = 100  # characters; beyond, Python refuses or takes minutes (``1:1:1:…`` counts to the base 60)
_FAR = 100_000  # characters of a text, from which on a place in it is that of the text
_HEADER = re.compile(r"[|>][^\n]*\n|['\"]")
_ESCAPED = "'\"\\"  # what takes more room in quotes than it is long
_ODD_BREAKS = re.compile("[\x85\u2028\u2029]")
_LITERALS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("bool", "float", "int", "null", "timestamp"))
_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})

# Named tuples, not frozen dataclasses: a document has a value a token, and a tuple is built three times faster.


class Scalar(NamedTuple):
    """A leaf: what YAML makes of it, the text as written, whether it stood in quotes, and of several lines their source."""

    value: str | int | float | bool | datetime.date | None
    text: str
    quoted: bool
    place: Place
    source: str = ""

    def place_of(self, offset: int) -> Place:
        """Where in the file the word stands that has the character at *offset* of the text; the scalar's place if unclear.

        Folding changes the blanks between words and never the words, so that the n-th word of the text is the n-th of
        the source, after a block's header.
        """
        if not self.source:
            if self.quoted and any(character in self.text for character in _ESCAPED):
                return self.place
            return self.place._replace(column=self.place.column + self.quoted + offset)
        if offset >= _FAR:
            return self.place
        source = self.source
        header = _HEADER.match(source) if self.quoted else None
        begin = header.end() if header else 0
        words, written = _starts(self.text), _starts(source)
        number = bisect.bisect_right(words, offset) - 1
        # A quotation mark is part of the word behind it; of a block, the header's words come first.
        index = number + bisect.bisect_left(written, begin) - (begin == 1)
        if not 0 <= number <= index < len(written):
            return self.place
        word = self.text[words[number]:offset + 1]
        at = max(written[index], begin)
        if not source.startswith(word, at):
            return self.place
        at += offset - words[number]
        line = bisect.bisect_right(_line_starts(source), at) - 1
        column = at - _line_starts(source)[line] + (self.place.column if line == 0 else 1)
        return Place(self.place.file, self.place.line + line, column)


@functools.lru_cache(maxsize=4)
def _starts(text: str) -> Sequence[int]:
    """Where each word of *text* begins. Kept, since a command may be asked for a thousand places."""
    return [match.start() for match in re.finditer(r"\S+", text[:2 * _FAR])]


@functools.lru_cache(maxsize=2)
def _line_starts(text: str) -> Sequence[int]:
    return [0, *(match.end() for match in re.finditer("\n", text[:2 * _FAR]))]


class Items(NamedTuple):
    """A sequence."""

    items: tuple[Value, ...]
    place: Place


class Table(NamedTuple):
    """A mapping; keys in the order of the file, each with the place of the key itself."""

    entries: dict[str, Value]
    places: dict[str, Place]
    place: Place

    def get(self, key: str) -> Value | None:
        """The value under *key*, or None."""
        return self.entries.get(key)


Value: TypeAlias = Scalar | Items | Table


def parse(text: str | bytes, file: str) -> Value:
    """The one document in *text*; an empty text is a null scalar.

    Args:
        text: YAML, UTF-8 when bytes; a byte order mark and CRLF are fine.
        file: The name that places carry, as the user knows it.

    Raises:
        CompileError: not YAML, not UTF-8, a key given twice, more than one document, or larger, deeper or (through
            aliases) more repetitive than any pipeline: 5 MB, 100 levels, a million values.
    """
    start = Place(file, 1, 1)
    if len(text) > LIMIT_BYTES:
        raise _broken("too-large", f"the file has {len(text):,} bytes", start, f"at most {LIMIT_BYTES:,} are read")
    if isinstance(text, bytes):
        text = _decoded(text, file)
    text = text.removeprefix("\ufeff")
    try:
        _refuse_deep(text, file)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, text, file) from None
    except yaml.YAMLError as error:
        raise _broken("not-yaml", f"not YAML: {str(error).splitlines()[0]}", _unprintable(text, file)) from None
    except UnicodeEncodeError as error:  # half of a surrogate pair: what Python makes of an argument that is not UTF-8
        raise _broken("not-utf8", "a character is not UTF-8", _place_at(text, error.start, file)) from None
    if node is None:
        return Scalar(None, "", False, start)
    reader = _Reader(file, text)
    value = reader.read(node, 0)
    if reader.findings:
        raise CompileError(reader.findings)
    return value


def plain(value: Value) -> Any:
    """*value* as plain Python data: dicts, lists and scalars."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, Items):
        return [plain(item) for item in value.items]
    return {key: plain(entry) for key, entry in value.entries.items()}


def leaves(value: Value) -> Iterator[Scalar]:
    """Every scalar in *value*, in order."""
    if isinstance(value, Scalar):
        yield value
    else:
        for inner in value.items if isinstance(value, Items) else value.entries.values():
            yield from leaves(inner)


def unparse(data: Any, *, header: str = "") -> str:
    """Plain data as YAML that :func:`parse` (and Azure ML) reads back as the same data."""
    return header + _dump(data, _Dumper)


def is_written(text: str, data: Any, *, header: str = "") -> bool:
    """Whether *text* is what :func:`unparse` makes of the same.

    libyaml is asked first. It writes most texts alike, four times as fast; what it would write differently, it at least
    writes of the same data, so that a file which agrees with it says the same and nothing else.
    """
    return any(text == header + _dump(data, dumper) for dumper in (_QuickDumper, _Dumper))


def _dump(data: Any, dumper: Any) -> str:
    return str(yaml.dump(data, Dumper=dumper, sort_keys=False, default_flow_style=False, width=110, allow_unicode=True))


def walk(value: Value) -> Iterator[Scalar]:
    """Every scalar below *value*, in the order of the file."""
    if isinstance(value, Scalar):
        yield value
    else:
        for child in value.items if isinstance(value, Items) else value.entries.values():
            yield from walk(child)


class _Dumper(yaml.SafeDumper):
    """Block style throughout; lines are never shared through anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _QuickDumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """The same in C."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text and not any(line.endswith((" ", "\t")) for line in text.splitlines()) else None
    if _ODD_BREAKS.search(text):
        style = '"'  # in every other style PyYAML writes them as if they were ends of lines, and they read back as blanks
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


for _dumper in (_Dumper, _QuickDumper):
    _dumper.add_representer(str, _represent_text)


class _Reader:
    """Nodes of libyaml into values; collects what is wrong on the way."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.findings: list[Finding] = []
        self._seen = 0
        self._shared: dict[int, tuple[yaml.Node, Value, int]] = {}
        self._open: set[int] = set()
        self._scalars = yaml.constructor.SafeConstructor()

    def place(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    def read(self, node: yaml.Node, depth: int) -> Value:
        self._seen += 1
        if depth > LIMIT_DEPTH:
            raise _too_deep(self.place(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in _COLLECTIONS:
            self._find("bad-literal", f"the tag {node.tag.rpartition(':')[2]!r} has no meaning here", self.place(node),
                       fix="remove it")
        # An alias is the node of its anchor again: read once, but counted as often as it is repeated, since whoever
        # walks the value later meets it that often (a "YAML bomb").
        key = id(node)
        if key in self._shared:
            _, value, size = self._shared[key]
            self._seen += size
        elif key in self._open:
            raise _broken("not-yaml", "an alias contains itself", self.place(node))
        else:
            before = self._seen
            self._open.add(key)
            value = self._table(node, depth) if isinstance(node, yaml.MappingNode) else self._items(node, depth)
            self._open.discard(key)
            self._shared[key] = node, value, self._seen - before
        if self._seen > LIMIT_VALUES:
            raise _broken("too-large", f"more than {LIMIT_VALUES:,} values", self.place(node),
                          "each alias counts as all it repeats")
        return value

    def _scalar(self, node: yaml.ScalarNode) -> Scalar:
        place = self.place(node)
        tag, text = node.tag, node.value
        if tag == "tag:yaml.org,2002:str":
            start, end = node.start_mark, node.end_mark
            source = self.text[start.index:end.index] if end.line > start.line else ""
            return Scalar(text, text, bool(node.style), place, source)
        try:
            if tag not in _LITERALS or len(text) > _LONGEST_NUMBER:
                raise ValueError(tag)
            value = self._scalars.construct_object(node)
        except (ValueError, LookupError, AttributeError, OverflowError):  # what PyYAML lets through for ``!!bool maybe``
            shown = text if len(text) <= _LONGEST_NUMBER else f"{text[:20]}…"
            self._find("bad-literal", f"{shown!r} is not a value that YAML can read ({tag.rpartition(':')[2]})", place,
                       fix="put it in quotes if a string is meant")
            return Scalar(text, text, True, place)
        return Scalar(value, text, bool(node.style), place)

    def _items(self, node: yaml.Node, depth: int) -> Items:
        return Items(tuple([self.read(child, depth + 1) for child in node.value]), self.place(node))

    def _table(self, node: yaml.MappingNode, depth: int) -> Table:
        entries: dict[str, Value] = {}
        places: dict[str, Place] = {}
        merged: list[Table] = []
        for key_node, value_node in node.value:
            place = self.place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._find("bad-key", "a key must be a simple value", place, fix="write a name")
                continue
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged += self._merged(value_node, depth)
                continue
            key = key_node.value
            if key in entries:
                self._find("duplicate-key", f"key {key!r} is given twice", place,
                           why=f"the first is on line {places[key].line}; YAML would silently keep the last",
                           fix="remove one of them")
                continue
            entries[key] = self.read(value_node, depth + 1)
            places[key] = place
        for table in merged:
            for key, value in table.entries.items():
                if key not in entries:
                    entries[key], places[key] = value, table.places[key]
        return Table(entries, places, self.place(node))

    def _merged(self, node: yaml.Node, depth: int) -> list[Table]:
        value = self.read(node, depth + 1)
        tables = value.items if isinstance(value, Items) else (value,)
        if not all(isinstance(table, Table) for table in tables):
            self._find("bad-key", "'<<' merges mappings only", self.place(node), fix="name the anchor of a mapping")
        return [table for table in tables if isinstance(table, Table)]

    def _find(self, code: str, what: str, place: Place, *, why: str = "", fix: str = "") -> None:
        self.findings.append(Finding(code=code, what=what, place=place, why=why, fix=fix))


def _broken(code: str, what: str, place: Place, why: str = "", fix: str = "") -> CompileError:
    return CompileError([Finding(code=code, what=what, place=place, why=why, fix=fix)])


def _too_deep(place: Place) -> CompileError:
    return _broken("too-deep", f"more than {LIMIT_DEPTH} levels of nesting", place, "no pipeline needs them")


def _decoded(data: bytes, file: str) -> str:
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        raise _broken("not-utf8", f"byte 0x{data[error.start]:02x} is not UTF-8", _place_at(before, len(before), file),
                      fix="save the file with UTF-8 encoding") from None


def _refuse_deep(text: str, file: str) -> None:
    """Refuse nesting that libyaml would follow by recursion in C, where the limit is the stack."""
    openings = text.count("[") + text.count("{") - 2 * text.count("${{") - 2 * text.count("$[[")
    if openings <= LIMIT_DEPTH and not _BLOCK_DEPTH.search(text):
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > LIMIT_DEPTH:
            raise _too_deep(_marked(event.start_mark, file))


def _not_yaml(error: yaml.MarkedYAMLError, text: str, file: str) -> CompileError:
    mark = error.problem_mark or error.context_mark
    place = _marked(mark, file)
    problem = error.problem or error.context or "cannot be read"
    if "expected a single document" in str(error):
        return _broken("not-yaml", "a second document begins here", place,
                       "Azure ML reads one document a file", "split the file at '---'")
    fix = ""
    if mark and _line(text, mark.line)[mark.column:mark.column + 1] == "\t":
        fix = "indent with spaces; YAML allows no tabs there"
    elif mark and "${{" in _line(text, mark.line)[:mark.column + 2]:
        fix = "inside { } and [ ], put ${{…}} in quotes"
    elif "mapping values are not allowed" in problem:
        fix = "quote the value if it contains ': ', or check the indentation"
    return _broken("not-yaml", f"not YAML: {problem}", place, error.context or "", fix)


def _marked(mark: Any, file: str) -> Place:
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)


def _line(text: str, number: int) -> str:
    lines = text.split("\n", number + 1)
    return lines[number] if number < len(lines) else ""


def _unprintable(text: str, file: str) -> Place:
    """The first character that YAML forbids; libyaml tells its place in bytes only."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    return _place_at(text, found.start() if found else 0, file)


def _place_at(text: str, position: int, file: str) -> Place:
    before = text[:position]
    return Place(file, before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)
