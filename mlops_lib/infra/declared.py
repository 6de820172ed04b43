"""What a Terraform module declares, read from its files: nothing is run, nothing has to be installed but python-hcl2."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError, StageError, listing
from .contract import MAPS, OBJECTS, OPTIONAL, SCHEMA_VERSION, TEXTS

CONTRACT = "aml"  # the output that is a stage's contract
_REFERENCE = re.compile(r"\$\{module\.(\w+)\.(\w+)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """A variable of a module; *type* as it is written, *default* as JSON or an expression, None when it must be given."""

    type: str
    description: str = ""
    default: str | None = None
    sensitive: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """An output of a module; *value* is a mapping where an object is written out, else the text of an expression."""

    value: Any
    description: str = ""
    sensitive: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call of another module: where that is, relative to the one that calls, and the arguments it is given."""

    source: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """A folder of ``.tf`` files.

    Attributes:
        resources: By type and name, ``azurerm_key_vault.this``: their arguments and blocks.
        calls: By name.
        locals: By name, each a value or the text of an expression.
    """

    folder: Path
    variables: Mapping[str, Variable] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    calls: Mapping[str, Call] = field(default_factory=dict)
    locals: Mapping[str, Any] = field(default_factory=dict)

    def called(self, name: str) -> Module:
        """The module that a call means."""
        return read_module(Path(os.path.normpath(self.folder / self.calls[name].source)))


def read_module(folder: Path) -> Module:
    """The module in *folder*.

    Raises:
        InputError: a file of it is not HCL, or there is none.
    """
    variables: dict[str, Variable] = {}
    outputs: dict[str, Output] = {}
    resources: dict[str, Any] = {}
    calls: dict[str, Call] = {}
    named: dict[str, Any] = {}
    files = sorted(folder.glob("*.tf")) if folder.is_dir() else []
    if not files:
        raise InputError(f"{folder} has no .tf file", why="a module is a folder of them", fix="correct the path")
    for path in files:
        document = _parsed(path)
        for block in document.get("locals", ()):
            named |= {name: value for name, value in block.items() if not name.startswith("__")}
        for name, body in _named(document, "variable"):
            variables[name] = Variable(type=_expression(body.get("type", "any")), description=_text(body.get("description")),
                                       default=_shown(body["default"]) if "default" in body else None,
                                       sensitive=body.get("sensitive") is True)
        for name, body in _named(document, "output"):
            outputs[name] = Output(value=body.get("value"), description=_text(body.get("description")),
                                   sensitive=body.get("sensitive") is True)
        for kind, bodies in _named(document, "resource"):
            resources |= {f"{kind}.{_unquoted(name)}": body for name, body in bodies.items() if not name.startswith("__")}
        for name, body in _named(document, "module"):
            calls[name] = Call(source=_text(body.get("source")),
                               arguments={key: value for key, value in body.items() if not key.startswith("__")})
    return Module(folder=folder, variables=variables, outputs=outputs, resources=resources, calls=calls,
                  locals=named)


def check(root: Path) -> None:
    """See that the root module of a stage declares the contract: the output ``aml``, with all that a ``Stage`` is made of.

    What an expression gives is not known without Terraform, and passes.

    Raises:
        StageError: something of it is not there, or is marked as sensitive; InputError: the files cannot be read.
    """
    shown = os.path.relpath(root)
    module = read_module(root)
    output = module.outputs.get(CONTRACT)
    if output is None:
        raise StageError(f"{shown} declares no output {CONTRACT!r}", why=f"it declares {listing(module.outputs) or 'none'}",
                         fix=f"output \"{CONTRACT}\" {{ value = module.stage.{CONTRACT} }}")
    if output.sensitive:
        raise StageError(f"the output {CONTRACT!r} of {shown} is marked as sensitive", why="nothing in it is secret",
                         fix="find what is, and leave it out")
    lacking = list(_lacking(_resolve(output.value, module)))
    if lacking:
        raise StageError(f"the output {CONTRACT!r} of {shown} lacks {listing(lacking)}",
                         why="mlops_lib reads it from there", fix="add what is missing, under these names")


def _lacking(value: Any) -> Iterator[str]:
    """What an object that is written out does not have; an expression may have anything."""
    if not isinstance(value, Mapping):
        return
    if value.get("schema_version") != SCHEMA_VERSION:
        yield f"schema_version = {SCHEMA_VERSION}"
    yield from (key for key in (*TEXTS, *MAPS) if key not in value)
    for key, fields in {**OBJECTS, **OPTIONAL}.items():
        if key not in value:
            yield key
        elif isinstance(value[key], Mapping):
            yield from (f"{key}.{name}" for name in fields if name not in value[key])


def _resolve(value: Any, module: Module) -> Any:
    """The value of an output, through the calls of modules that it only passes on."""
    while isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
        name, wanted = match.groups()
        if name not in module.calls:
            raise StageError(f"{os.path.relpath(module.folder)} calls no module {name!r}, and an output is {value}")
        module = module.called(name)
        if wanted not in module.outputs:
            raise StageError(f"{os.path.relpath(module.folder)} declares no output {wanted!r}",
                             why=f"it declares {listing(module.outputs) or 'none'}", fix="name the one that is meant")
        value = module.outputs[wanted].value
    return value


# --- the parser's values -----------------------------------------------------------------------------------------------


def _parsed(path: Path) -> Mapping[str, Any]:
    import hcl2  # half a second: only who reads Terraform's files waits for it
    from lark.exceptions import UnexpectedInput

    try:
        return hcl2.loads(path.read_text(encoding="utf-8"))
    except UnexpectedInput as error:
        place = f"{path}:{error.line}:{error.column}"
        raise InputError(f"{place}: this is not HCL", fix="terraform validate says more") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8", fix="save it as UTF-8") from None


def _named(document: Mapping[str, Any], kind: str) -> Iterable[tuple[str, Any]]:
    """The blocks of a kind, by their first label."""
    for block in document.get(kind, ()):
        yield from ((_unquoted(name), body) for name, body in block.items() if not name.startswith("__"))


def _unquoted(text: str) -> str:
    return text[1:-1] if text[:1] == text[-1:] == '"' else text


def _text(value: Any) -> str:
    """A literal text: with quotes, or a heredoc."""
    text = str(value or "")
    if heredoc := re.fullmatch(r'"?<<-?(\w+)\n(.*)\n\s*\1"?', text, re.DOTALL):
        lines = heredoc[2].split("\n")
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        return "\n".join(line[indent:] for line in lines)
    return _unquoted(text).replace('\\"', '"')


def _expression(value: Any) -> str:
    text = str(value)
    return text[2:-1] if text.startswith("${") and text.endswith("}") else text


def _shown(value: Any) -> str:
    """A default as people write it."""
    if isinstance(value, str):
        return _expression(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_unquoted(key)} = {_shown(inner)}" for key, inner in value.items()
                               if not key.startswith("__")) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(inner) for inner in value) + "]"
    return json.dumps(value)
