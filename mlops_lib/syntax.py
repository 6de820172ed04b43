"""Python's syntax trees, for threads too."""

from __future__ import annotations

import ast
import threading
import warnings

# CPython 3.11 counts the depth of all threads' syntax trees together: two made at once end in a SystemError.
_ONE_AT_A_TIME = threading.Lock()


def tree_of(text: str | bytes) -> ast.Module | None:
    """A script's syntax tree; None when Python could not read it."""
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the script's own odd escapes
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
