"""What steps print: followed while they run, and its end repeated when they fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 16
_BEHIND = 1 << 20  # more than this at once is nothing that anybody reads as it passes
_WIDTH = 300
# Colours and cursor movements, window titles, and bytes that a terminal would obey.
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Follower:
    """Reads a file that grows, in bounded memory; a line is told when it is whole.

    Args:
        path: The file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._rest = b""

    def lines(self, *, ended: bool = False) -> Iterator[tuple[str, ...]]:
        """The lines since the last call, without line ends, in bunches; no more than were there when it was called.

        Args:
            ended: Nothing more will be written: a last line without an end counts too.
        """
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                yield from self._skip(size)
                file.seek(self._read)
                while self._read < size and (block := file.read(_BLOCK)):
                    self._read += len(block)
                    whole, end, self._rest = (self._rest + block).rpartition(b"\n")
                    if not end and len(self._rest) > _BLOCK:
                        whole, self._rest = self._rest, b""
                    if whole or end:
                        yield tuple(_lines(whole))
        except OSError:
            return
        if ended and self._rest:
            yield tuple(_lines(self._rest))
            self._rest = b""

    def _skip(self, size: int) -> Iterator[tuple[str, ...]]:
        left_out = size - self._read - _BEHIND
        if left_out > 0:
            self._read, self._rest = size - _BLOCK, b""
            yield (f"… {(left_out + _BEHIND - _BLOCK) >> 20} MB are left out here, and kept in the log",)


def tail(path: Path, count: int) -> list[str]:
    """The last lines of a file, however long it is; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _BLOCK))
            lines = _lines(file.read())
    except OSError:
        return []
    return [line if len(line) <= _WIDTH else f"{line[:_WIDTH]} …" for line in lines if line.strip()][-count:]


def _lines(data: bytes) -> list[str]:
    """Text lines; of a line that was written over, as progress bars do, what it showed last."""
    lines = _CONTROLS.sub("", data.decode("utf-8", "replace")).split("\n")
    return [line.rstrip("\r").rpartition("\r")[2] for line in lines] if b"\r" in data else lines
