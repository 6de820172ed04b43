"""The grammar of ``${{…}}`` and ``$[[…]]``: what an expression refers to, and what a command becomes.

Expressions bind one job's input to another's output (``${{parent.jobs.prep.outputs.train}}``), to the pipeline's own
inputs and outputs (``${{parent.inputs.x}}``), or, inside a command, name the job's own ports (``${{inputs.x}}``).
``$[[ … ]]`` surrounds what a command drops when an optional input has no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

# From the innermost opening on: one that is not closed costs no second look at all that follows it.
_EXPRESSION = re.compile(r"\$\{\{([^$}]*(?:(?:\$(?!\{\{)|\}(?!\}))[^$}]*)*)\}\}")
_OPTIONAL = re.compile(r"\$\[\[([^$\]]*(?:(?:\$(?!\[\[)|\](?!\]))[^$\]]*)*)\]\]")
# One brace too few, no dollar, or a blank behind it.
_NEARLY = re.compile(r"(?:\$ ?\{\{?|\{\{)\s*((?:inputs|outputs)\.\w+)\s*\}{1,2}")
_BRACED = re.compile(r"[${\[\s]*(.*?)[\]}\s]*")
_NAME = r"[A-Za-z_][\w-]*"
_PARENT_PORT = re.compile(rf"parent\.(inputs|outputs)\.({_NAME}(?:\.{_NAME})*)")
_JOB_PORT = re.compile(rf"parent\.jobs\.({_NAME})\.(inputs|outputs)\.({_NAME}(?:\.{_NAME})*)")
_OWN_PORT = re.compile(rf"(inputs|outputs|search_space)\.({_NAME}(?:\.{_NAME})*)")


@dataclass(frozen=True, slots=True)
class PipelinePort:
    """``${{parent.inputs.x}}`` or ``${{parent.outputs.x}}``: a port of the pipeline around the job."""

    side: str
    name: str

    def __str__(self) -> str:
        return f"${{{{parent.{self.side}.{self.name}}}}}"


@dataclass(frozen=True, slots=True)
class JobPort:
    """``${{parent.jobs.j.outputs.x}}``: a port of another job of the same pipeline."""

    job: str
    side: str
    name: str

    def __str__(self) -> str:
        return f"${{{{parent.jobs.{self.job}.{self.side}.{self.name}}}}}"


@dataclass(frozen=True, slots=True)
class OwnPort:
    """``${{inputs.x}}``, ``${{outputs.x}}`` or ``${{search_space.x}}``: a port of the job itself, in its command."""

    side: str
    name: str


Reference = PipelinePort | JobPort | OwnPort


class BindingError(ValueError):
    """An expression that is none of the spellings Azure ML knows; the message says which part."""


def has_expression(text: str) -> bool:
    """Whether *text* holds the start of a ``${{``."""
    return "${{" in text


def expressions(text: str) -> list[str]:
    """What stands in each ``${{…}}`` of *text*."""
    return _EXPRESSION.findall(text)


def parse(text: str) -> PipelinePort | JobPort:
    """The one binding that *text* is, as an input or output of a job gives it.

    Raises:
        BindingError: text around the expression (Azure ML binds whole values only), more than one, or not a binding.
    """
    stripped = text.strip()
    found = _EXPRESSION.findall(stripped)
    if not found:
        raise BindingError("the expression is not closed by '}}'" if has_expression(stripped) else "not an expression")
    if len(found) > 1 or not _EXPRESSION.fullmatch(stripped):
        raise BindingError("a binding must be the whole value, with no text around it")
    reference = parse_expression(found[0])
    if isinstance(reference, OwnPort):
        raise BindingError(f"{reference.side}.{reference.name!s} names a port of the job itself; "
                           f"in a pipeline write parent.{reference.side}.{reference.name}")
    return reference


def parse_expression(inside: str) -> Reference:
    """What stands between ``${{`` and ``}}``.

    Raises:
        BindingError: none of ``parent.inputs.x``, ``parent.outputs.x``, ``parent.jobs.j.outputs.x``, ``inputs.x`` …
    """
    text = inside.strip()
    if match := _JOB_PORT.fullmatch(text):
        return JobPort(*match.groups())
    if match := _PARENT_PORT.fullmatch(text):
        return PipelinePort(*match.groups())
    if match := _OWN_PORT.fullmatch(text):
        return OwnPort(*match.groups())
    raise BindingError(f"{text!r} is none of parent.inputs.NAME, parent.outputs.NAME, parent.jobs.JOB.outputs.NAME")


def meant(text: str) -> str | None:
    """The binding that *text* nearly is, for want of braces, ``parent.`` or ``parent.jobs.``; None when it is none."""
    found = _BRACED.fullmatch(text)
    inside = found[1] if found else ""
    complete = _EXPRESSION.fullmatch(text.strip()) is not None
    if not complete and not inside.startswith("parent."):
        return None  # without braces, only this word tells a binding from any other text
    for candidate in (inside, f"parent.{inside}", inside.replace("parent.", "parent.jobs.", 1)):
        if _JOB_PORT.fullmatch(candidate) or _PARENT_PORT.fullmatch(candidate):
            return f"${{{{{candidate}}}}}"
    return None


@dataclass(frozen=True, slots=True)
class CommandReference:
    """One ``${{…}}`` of a command: the port, where its text begins, and whether it stands inside ``$[[…]]``."""

    port: OwnPort
    offset: int
    optional: bool


class Slip(NamedTuple):
    """An expression that a command gets wrong: where, how, its text, and the text meant (empty when unclear)."""

    offset: int
    what: str
    text: str
    instead: str = ""


def command_references(command: str) -> tuple[list[CommandReference], list[Slip]]:
    """What a command refers to, and the expressions that it gets wrong."""
    optional = [match.span() for match in _OPTIONAL.finditer(command)]
    ends = iter([*optional, (len(command), len(command))])
    start, end = next(ends)
    found: list[CommandReference] = []
    wrong: list[Slip] = []
    for match in _EXPRESSION.finditer(command):
        while end <= match.start():
            start, end = next(ends)
        inside = start <= match.start()
        text = match[1].strip()
        if text in ("name", "output_name", "default_datastore"):
            continue
        try:
            reference = parse_expression(text)
        except BindingError:
            what = f"'${{{{{text}}}}}' is neither ${{{{inputs.NAME}}}} nor ${{{{outputs.NAME}}}}"
            wrong.append(Slip(match.start(), what, text, _own(text)))
            continue
        if not isinstance(reference, OwnPort):
            what = f"'${{{{{text}}}}}' is a binding of a pipeline; a command knows its own ports only"
            wrong.append(Slip(match.start(), what, text, _own(text)))
            continue
        found.append(CommandReference(reference, match.start(), inside))
    rest = _EXPRESSION.sub(_blank, command)
    wrong += [Slip(match.start(), f"{match[0]!r} is no expression: it stands between '${{{{' and '}}}}'", match[0],
                   f"${{{{{match[1]}}}}}") for match in _NEARLY.finditer(rest)]
    rest = _NEARLY.sub(_blank, rest)
    wrong += [Slip(at, "an expression is not closed by '}}'", "${{") for at in _offsets(rest, "${{")[:1]]
    rest = _OPTIONAL.sub(_blank, rest)
    wrong += [Slip(at, "an optional part is not closed by ']]'", "$[[") for at in _offsets(rest, "$[[")[:1]]
    return found, wrong


def idle_options(command: str) -> list[Slip]:
    """The ``$[[…]]`` of a command without an expression in them: nothing says when they are to be left out."""
    return [Slip(match.start(), f"{match[0]!r} names no input", match[0],
                 f"$[[${{{{{match[1].strip()}}}}}]]" if _OWN_PORT.fullmatch(match[1].strip()) else "")
            for match in _OPTIONAL.finditer(command) if not has_expression(match[1])]


def _own(text: str) -> str:
    """The port of its own that a command means by ``output.x`` or ``parent.outputs.x``; empty when that is unclear."""
    match = re.fullmatch(rf"(?:parent\.)?(?:jobs\.{_NAME}\.)?(in|out)puts?\.({_NAME})", text)
    return f"{match[1]}puts.{match[2]}" if match else ""


def _blank(match: re.Match[str]) -> str:
    return "x" * len(match[0])


def _offsets(text: str, needle: str) -> list[int]:
    return [match.start() for match in re.finditer(re.escape(needle), text)]


def render(command: str, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    """*command* with its values in place: plain text replacement, no quoting, as Azure ML does it.

    Args:
        command: The component's command.
        inputs: The text of each input; None for an optional input without a value.
        outputs: The path of each output.

    Returns:
        The text for the shell. A part in ``$[[…]]`` stays when every input in it has a value; a malformed part such as
        ``$[[inputs.x]]`` keeps its inner text, which is what lets the published examples run. Expressions in values stay
        as they are, and so do those that name no port.
    """

    def keep(match: re.Match[str]) -> str:
        names = [m[1].strip().partition(".") for m in _EXPRESSION.finditer(match[1])]
        absent = any(side == "inputs" and inputs.get(name) is None for side, _, name in names)
        return "" if absent else match[1]

    def replace(match: re.Match[str]) -> str:
        side, _, name = match[1].strip().partition(".")
        if side not in ("inputs", "outputs", "search_space"):
            return match[0]
        value = (outputs if side == "outputs" else inputs).get(name)
        return "" if value is None else value

    return _EXPRESSION.sub(replace, _OPTIONAL.sub(keep, command))


OF_A_FIRING = ("name", "creation_context.trigger_time")


def names_the_firing(text: str) -> bool:
    """Whether *text* has expressions, and only those that Azure ML fills in when a schedule starts its job."""
    return has_expression(text) and not has_expression(substitute(text, dict.fromkeys(OF_A_FIRING, "").get))


def substitute(text: str, value_of: Callable[[str], str | None]) -> str:
    """*text* with every ``${{name}}`` that *value_of* knows replaced; others are left as they are."""

    def replace(match: re.Match[str]) -> str:
        value = value_of(match[1].strip())
        return match[0] if value is None else value

    return _EXPRESSION.sub(replace, text)
