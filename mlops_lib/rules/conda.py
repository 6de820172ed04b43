"""A conda file: dependencies that contradict each other, a Python that is missing, a pip section that pip would refuse.

Source: conda's environment files and match specifications; PEP 440 and PEP 508.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..document import Items, Scalar, Table, Value
from ..errors import Place, Severity
from ..references import holds_secret
from ..spec import Report

_CONDA = re.compile(r"(?:[\w./:-]+::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<rest>(?:[=<>!~ ].*)?)")
_PIP = re.compile(r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[[\w., -]*\])?\s*(?P<rest>.*)", re.DOTALL)
_CLAUSE = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>|=)\s*([\w.*+!-]+)\s*")


class Pin(NamedTuple):
    """One requirement: which versions of a package it takes, as clauses (operator, version)."""

    name: str
    clauses: tuple[tuple[str, str], ...]
    text: str
    place: Place


def check_conda(value: Value, report: Report) -> None:
    """Report what is wrong with a conda file or its content given in place."""
    if not isinstance(value, Table):
        return  # told by its shape
    _check_secrets(value.get("channels"), report)
    dependencies = value.get("dependencies")
    if dependencies is None:
        report.add("bad-conda", "the conda file has no dependencies", value.place, fix="add 'dependencies:' with a list")
        return
    if not isinstance(dependencies, Items):
        return  # told by its shape
    pins: list[Pin] = []
    pip: Place | None = None
    for item in dependencies.items:
        if isinstance(item, Scalar) and isinstance(item.value, str):
            pins += _of_conda(item, report)
        elif isinstance(item, Table):
            section = item.get("pip")
            if not isinstance(section, Items):
                continue  # none, or told by its shape
            if pip is not None:
                report.add("bad-conda", "the dependencies have a second pip section", item.places["pip"],
                           why=f"conda passes over the first, on line {pip.line}", fix="make them one list")
            pip = item.places["pip"]
            _check_secrets(section, report)
            for requirement in section.items:
                if isinstance(requirement, Scalar) and isinstance(requirement.value, str):
                    pins += _of_pip(requirement, report)
    names = {pin.name for pin in pins}
    if "python" not in names:
        report.add("no-python", "the conda file names no Python", dependencies.place,
                   why="conda then takes the newest, another one with each build", fix="add '- python=3.11'",
                   severity=Severity.WARNING)
    if pip is not None and "pip" not in names:
        report.add("no-pip", "the conda file has a pip section and no pip", dependencies.place,
                   why="conda warns, and adds one of its choice", fix="add '- pip' before it", severity=Severity.WARNING)
    _check_contradictions(pins, report)


def _check_secrets(lines: Value | None, report: Report) -> None:
    """Report addresses with secrets in them, without repeating them; what variables stand for is none."""
    for line in lines.items if isinstance(lines, Items) else ():
        if isinstance(line, Scalar) and holds_secret(re.sub(r"\$\{\w+\}:\$\{\w+\}@", "", line.text)):
            report.add("secret", "an address holds a signature, a key or a password", line.place, severity=Severity.WARNING,
                       why="whoever reads the file can use it, and so can who reads the environment in a workspace",
                       fix="give the workspace a connection to the feed, and write the address without the secret")


def _of_conda(item: Scalar, report: Report) -> list[Pin]:
    match = _CONDA.fullmatch(item.text.strip())
    if match is None:
        report.add("bad-conda", f"{item.text!r} is no conda requirement", item.place, fix="write NAME=VERSION")
        return []
    rest = match["rest"].strip()
    clauses: list[tuple[str, str]] = []
    if rest and rest[0] not in "=<>!~":  # "numpy 1.26.*", the form with blanks
        rest = "=" + rest.split()[0]
    for part in rest.split(","):
        found = _CLAUSE.match(part)
        if found is None:
            return [Pin(match["name"].lower(), (), item.text, item.place)]  # "|" and build strings: not judged
        operator, version = found[1], found[2].split("=")[0]
        clauses.append(("=*" if operator == "=" else operator, version))
    return [Pin(match["name"].lower(), tuple(clauses), item.text, item.place)]


def _of_pip(item: Scalar, report: Report) -> list[Pin]:
    text = item.text.strip().partition(" #")[0].strip()
    if not text or text.startswith(("-", "#", ".", "/")) or "://" in text or " @ " in text:
        return []  # options of pip, addresses and paths
    requirement = text.partition(";")[0].strip()
    match = _PIP.fullmatch(requirement)
    rest = match["rest"].strip().removeprefix("(").removesuffix(")") if match else ""
    clauses: list[tuple[str, str]] = []
    parts = [part for part in rest.split(",") if part.strip()]
    for part in parts:
        found = _CLAUSE.fullmatch(part)
        if found is None or found[1] == "=":
            match = None
            break
        clauses.append((found[1], found[2]))
    if match is None:
        fix = f"write {requirement.replace('=', '==', 1)!r}" if re.fullmatch(r"[\w.-]+\s*=\s*[\w.*]+", requirement) else ""
        report.add("bad-conda", f"{item.text!r} is no requirement that pip reads", item.place,
                   why="pip stops at it, and the image is not built", fix=fix)
        return []
    conditional = ";" in text
    return [Pin(match["name"].lower().replace("_", "-").replace(".", "-"), () if conditional else tuple(clauses), item.text,
                item.place)]


def _check_contradictions(pins: Sequence[Pin], report: Report) -> None:
    seen: dict[str, Pin] = {}
    for pin in pins:
        first = seen.setdefault(pin.name, pin)
        if first is pin:
            if _empty(pin.clauses):
                report.add("pin-clash", f"no version of {pin.name} is {pin.text!r}", pin.place, fix="correct the bounds")
            continue
        if _empty((*first.clauses, *pin.clauses)):
            report.add("pin-clash", f"{pin.text!r} contradicts {first.text!r} on line {first.place.line}", pin.place,
                       why=f"no version of {pin.name} fits both", fix="remove one of them")


def _empty(clauses: Sequence[tuple[str, str]]) -> bool:
    """Whether certainly no version fits: judged by exact versions and simple bounds; what is unclear fits."""
    exact = [version for operator, version in clauses if operator in ("==", "===") and "*" not in version]
    if exact:
        return any(not _fits(_numbers(exact[0]), exact[0], operator, version) for operator, version in clauses)
    lowest: tuple[tuple[int, ...], bool] | None = None
    highest: tuple[tuple[int, ...], bool] | None = None  # with whether the bound itself is out
    for operator, version in clauses:
        numbers = _numbers(version)
        if numbers is None:
            return False
        if operator in (">=", ">", "~=") or (operator in ("=*", "==")):
            lowest = max(lowest, (numbers, operator == ">")) if lowest else (numbers, operator == ">")
        if operator == "<":
            highest = min(highest, (numbers, False)) if highest else (numbers, False)
        elif operator == "<=":
            upper = (*numbers, 0, 1)  # anything above it, and it itself in
            highest = min(highest, (upper, False)) if highest else (upper, False)
        elif operator in ("=*", "==", "~="):
            kept = numbers[:-1] if operator == "~=" and len(numbers) > 1 else numbers
            upper = (*kept[:-1], kept[-1] + 1)
            highest = min(highest, (upper, False)) if highest else (upper, False)
    return lowest is not None and highest is not None and _padded(lowest[0]) >= _padded(highest[0])


def _fits(numbers: tuple[int, ...] | None, text: str, operator: str, version: str) -> bool:
    other = _numbers(version)
    if numbers is None or other is None:
        return operator not in ("==", "===") or text == version or "*" in version
    mine, theirs = _padded(numbers), _padded(other)
    prefix = mine[:len(other)] == other
    return {
        "==": prefix if "*" in version else mine == theirs, "===": text == version, "!=": mine != theirs or "*" in version,
        "<": mine < theirs, "<=": mine <= theirs, ">": mine > theirs, ">=": mine >= theirs, "=*": prefix,
        "~=": mine >= theirs and mine[:len(other) - 1] == other[:-1],
    }[operator]


def _numbers(version: str) -> tuple[int, ...] | None:
    """A version of plain numbers; None for what has letters, which is not judged."""
    plain = version.removesuffix(".*").removesuffix("*")
    return tuple(int(part) for part in plain.split(".")) if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})*", plain) else None


def _padded(numbers: tuple[int, ...]) -> tuple[int, ...]:
    return (*numbers, *(0,) * (8 - len(numbers)))
