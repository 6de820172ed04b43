"""Literals that YAML 1.1 turns into something else than what they look like."""

from __future__ import annotations

import datetime
import re

from ..document import Scalar

_SEXAGESIMAL = re.compile(r"[-+]?\d+(?::[0-5]?\d)+(?:\.\d*)?")
_EXPONENT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+")
_OCTAL = re.compile(r"[-+]?0o[0-7]+")


def surprise(scalar: Scalar, wanted: str) -> tuple[str, str] | None:
    """Why a literal is not what its author seems to mean, and how to write what is meant; None when it is.

    Args:
        scalar: The literal.
        wanted: The type of the input that it is for: ``string``, ``boolean``, ``integer`` or ``number``.
    """
    text, value = scalar.text, scalar.value
    if scalar.quoted:
        return None
    if isinstance(value, datetime.date):
        return "YAML makes a date of it, which Azure ML cannot send", f'write "{text}", in quotes'
    if isinstance(value, bool):
        if wanted == "string" and text.lower() not in ("true", "false"):
            why = f"YAML reads {text} as {str(value).lower()}; the job would get the text {value}"
            return why, f'write "{text}", in quotes'
        return None
    if isinstance(value, int | float) and ":" in text and _SEXAGESIMAL.fullmatch(text):
        fix = f'write "{text}", in quotes' if wanted == "string" else f"write {value} if that is meant"
        return f"YAML reads {text} to the base 60; the job would get {value}", fix
    if wanted == "string" and isinstance(value, int | float) and str(value) != text:
        return f"YAML reads {text} as the number {value}, which is what the job would get", f'write "{text}", in quotes'
    if isinstance(value, int) and wanted in ("integer", "number"):
        if re.fullmatch(r"[-+]?0[0-7]+", text):
            return f"YAML reads a number that begins with 0 to the base 8; the job would get {value}", \
                f"write {text.lstrip('0') or '0'} if the decimal number is meant"
        return None
    if isinstance(value, str) and wanted in ("integer", "number"):
        if _EXPONENT.fullmatch(text) and wanted == "integer":
            return f"to YAML 1.1 {text} is text", "write the integer's digits"
        if _OCTAL.fullmatch(text):
            return f"to YAML 1.1 {text} is text; octal numbers begin with 0 there", f"write {int(text.replace('0o', ''), 8)}"
    return None
