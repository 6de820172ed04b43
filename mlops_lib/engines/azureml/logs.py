"""What jobs on Azure ML print, in files beside the other logs of the run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ...errors import MlopsError
from ...stores.records import StepRecord
from ..local.logs import Follower, tail
from .history import History, State
from .problems import judged


class Log:
    """What a step printed.

    Args:
        folder: Where records are kept: ``.mlops``.
        step: The step's record.
        attempt: Which job of the step it is of; the later ones have files of their own.

    Attributes:
        name: Of the file, relative to *folder*.
    """

    def __init__(self, folder: Path, step: StepRecord, attempt: int = 1) -> None:
        again = f"-{attempt}" if attempt > 1 else ""
        self.name = f"runs/{step.run}/{step.position:03d}-{_file(step.name)}{again}.log"
        self._path = folder / self.name
        self._follower = Follower(self._path)

    @property
    def size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def bring(self, history: History, state: State, refused: Callable[[MlopsError], None]) -> None:
        """Add what a job has printed since the last time; *refused* hears why it may not be read, which fails nothing.

        Raises:
            StageError: it cannot be read now.
        """
        known = self.size
        try:
            for piece in history.printed(state.log[1], known) if state.log is not None else ():
                self._add(piece, at=known)
                known += len(piece)
        except MlopsError as error:
            if not judged(error):
                raise
            refused(error)

    def tell(self, lines: Iterable[str]) -> None:
        """Add those lines that it has not yet; before its colon a line says whom it is about, and those are told in order."""
        known = self._path.read_bytes() if self._path.exists() else b""
        there = Counter(line.partition(":")[0] for line in known.decode().splitlines())
        fresh = []
        for line in lines:
            about = line.partition(":")[0]
            there[about] -= 1
            if there[about] < 0:
                fresh.append(f"{line}\n")
        self._add("".join(fresh).encode(), at=len(known))

    def _add(self, content: bytes, *, at: int) -> None:
        """Put what was printed from the byte *at* on where it belongs: another process may have done so meanwhile."""
        if content:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644), "wb") as file:
                file.seek(at)
                file.write(content)

    def lines(self, *, ended: bool) -> Iterator[tuple[str, ...]]:
        """The lines since the last call."""
        return self._follower.lines(ended=ended)

    def tail(self, count: int) -> list[str]:
        """The last lines."""
        return tail(self._path, count)


def _file(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)


__all__ = ["Log"]
