"""Locks between processes: held by an open file, so the death of the holder frees them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def exclusive(path: Path, *, give_up: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """Hold *path* alone; waits for another holder.

    Args:
        path: A file that exists for this purpose; made when absent. Only its holder may remove it.
        give_up: Asked while waiting.

    Yields:
        Whether the lock is held: False only after *give_up* said yes.
    """
    descriptor, held = _acquire(path, give_up)
    try:
        yield held
    finally:
        os.close(descriptor)


def _acquire(path: Path, give_up: Callable[[], bool]) -> tuple[int, bool]:
    pause = 0.002
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while not _try(descriptor, fcntl.LOCK_EX):
                if give_up():
                    return descriptor, False
                time.sleep(pause)
                pause = min(pause * 2, 0.1)
            if _is(descriptor, path):
                return descriptor, True
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its last holder removed it: who comes now would lock another file


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def is_held(path: Path) -> bool:
    """Whether some living process holds *path*."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)
