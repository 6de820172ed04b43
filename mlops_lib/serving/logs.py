"""What went wrong, in what a server of scoring scripts has printed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_RAISED: Final = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt|Warning)\b.*")
_WRAPPED: Final = "The above exception was the direct cause"


def reason(lines: Sequence[str]) -> str:
    """The message of what the script raised, which the server wraps in errors of its own; else the last line, or nothing."""
    end = next((number for number, line in enumerate(lines) if line.startswith(_WRAPPED)), len(lines))
    said = [line.strip() for line in lines[:end] if line.strip()]
    return next((line for line in reversed(said) if _RAISED.match(line)), said[-1] if said else "")
