"""What makes a step the same step: its interface and command, code, environment, variables and inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .graph import EVALUATED, External, FromStep, Given, Step, Value

VERSION = "1"  # raise it when a change here must not reuse what was stored before

_SWEEP = "the sweep's "


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the world says: content digests, found by whoever may read files.

    Attributes:
        code: Digest of the snapshot of each step's code, by step name; ``""`` for none.
        environment: Digest of each step's environment, by step name.
        data: Digest of each piece of external data.
    """

    code: Mapping[str, str]
    environment: Mapping[str, str]
    data: Mapping[External, str]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A digest and the parts it was made of; two steps are the same when every part is."""

    digest: str
    parts: Mapping[str, str]


def fingerprint(step: Step, facts: Facts, made: Mapping[FromStep, str]) -> Fingerprint | None:
    """The fingerprint of a step.

    Args:
        step: A step of a graph.
        facts: Digests of code, environments and external data.
        made: Content digests of other steps' outputs, as far as they are known.

    Returns:
        None while the content of an input is not known.
    """
    component = step.component
    parts = {
        "command": component.command,
        "code": facts.code[step.name],
        "environment": facts.environment[step.name],
        "outputs": _digest({name: port.type for name, port in component.outputs.items()}),
    }
    if step.distribution is not None:
        parts["distribution"] = _digest(asdict(step.distribution))
    if step.parallel is not None:
        parts |= step.parallel.parts()
    for name, text in step.environment_variables.items():
        parts[f"environment variable {name}"] = _digest(text)  # parts are stored, and a variable may be a secret
    for name, given in step.inputs.items():
        content = _content(given, facts, made)
        if content is None:
            return None
        evaluated = " evaluated" if step.mode_of(name) in EVALUATED else ""
        parts[f"input {name}"] = f"{component.inputs[name].type}{evaluated}:{content}"
    if step.sweep is not None:
        parts |= {f"{_SWEEP}{name}": _digest(text) for name, text in step.sweep.texts().items()}
    return Fingerprint(_digest({"version": VERSION, "parts": parts}), parts)


def of_trial(sweep: Fingerprint, trial: Step, parameters: Mapping[str, str]) -> Fingerprint:
    """The fingerprint of a sweep's trial: that of a step which gets the same inputs in another way.

    Args:
        sweep: Of the sweep.
        trial: The step that the trial is.
        parameters: The inputs that the search space gives to it.
    """
    parts = {name: text for name, text in sweep.parts.items() if not name.startswith(_SWEEP)}
    parts |= {f"input {name}": f"{trial.component.inputs[name].type}:{text}" for name, text in parameters.items()}
    return Fingerprint(_digest({"version": VERSION, "parts": parts}), parts)


def _content(given: Given, facts: Facts, made: Mapping[FromStep, str]) -> str | None:
    if isinstance(given, Value):
        return given.text
    return made.get(given) if isinstance(given, FromStep) else facts.data[given]


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The parts in which two fingerprints differ, in words: ``input raw changed``, ``code changed``."""
    words = []
    for name in [*now, *(name for name in before if name not in now)]:
        if before.get(name) == now.get(name):
            continue
        if name not in before:
            words.append(f"{name} is new")
        elif name not in now:
            words.append(f"{name} is gone")
        else:
            words.append(f"{name} changed{_difference(before[name], now[name])}")
    return tuple(words)


def _difference(before: str, now: str) -> str:
    """From what to what, when both are short values and not digests of content."""
    kinds = [text.partition(":") for text in (before, now)]
    if all(kind in ("boolean", "integer", "number", "string") and len(value) <= 40 for kind, _, value in kinds):
        return f": {kinds[0][2]} → {kinds[1][2]}"
    return ""


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
