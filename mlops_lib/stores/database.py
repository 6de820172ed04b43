"""The SQLite file behind every store: opened once, shared by threads, safe between processes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import RunError
from .locks import exclusive

_VERSION = 6  # raise it when the schema changes; every statement below must then do for an older file as well
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, status TEXT NOT NULL, started REAL NOT NULL, ended REAL,
    request TEXT NOT NULL, outputs TEXT NOT NULL DEFAULT '{}', error TEXT NOT NULL DEFAULT '', mlflow_run TEXT
);
CREATE TABLE IF NOT EXISTS steps (
    run TEXT NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    fingerprint TEXT, started REAL, seconds REAL, peak_memory INTEGER, exit_code INTEGER, log TEXT NOT NULL DEFAULT '',
    outputs TEXT NOT NULL DEFAULT '{}', metrics TEXT NOT NULL DEFAULT '{}', params TEXT NOT NULL DEFAULT '{}',
    command TEXT NOT NULL DEFAULT '', waits TEXT NOT NULL DEFAULT '[]', PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trials (
    run TEXT NOT NULL, sweep TEXT NOT NULL, number INTEGER NOT NULL, step TEXT NOT NULL, parameters TEXT NOT NULL,
    metric TEXT NOT NULL, goal TEXT NOT NULL, curve TEXT NOT NULL DEFAULT '[]', stopped INTEGER NOT NULL DEFAULT 0,
    best INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, sweep, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
    fingerprint TEXT PRIMARY KEY, outputs TEXT NOT NULL, metrics TEXT NOT NULL, params TEXT NOT NULL, run TEXT NOT NULL,
    log TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fingerprints (
    digest TEXT PRIMARY KEY, parts TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest (
    pipeline TEXT NOT NULL, step TEXT NOT NULL, fingerprint TEXT NOT NULL, seconds REAL, PRIMARY KEY (pipeline, step)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS assets (
    kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, position INTEGER NOT NULL, type TEXT NOT NULL,
    path TEXT NOT NULL, digest TEXT NOT NULL, created REAL NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL,
    PRIMARY KEY (kind, name, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags (
    kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, tag TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (kind, name, version, tag)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commits (
    run TEXT PRIMARY KEY, digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS differences (
    run TEXT PRIMARY KEY, told TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS registered (
    workspace TEXT NOT NULL, content TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (workspace, content)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS elsewhere (
    run TEXT PRIMARY KEY, stage TEXT NOT NULL, url TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS landed (
    run TEXT NOT NULL, output TEXT NOT NULL, address TEXT NOT NULL, PRIMARY KEY (run, output)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hints (
    path BLOB PRIMARY KEY, inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL,
    seen INTEGER NOT NULL, digest TEXT NOT NULL
) WITHOUT ROWID;
"""


class Database:
    """One connection behind a lock.

    Args:
        folder: ``.mlops``; made when absent.
        reading: Nothing has to be stored: a folder that cannot be written to, or made, does too.

    Attributes:
        reading: As given.
        writable: Whether anything can be stored.
    """

    def __init__(self, folder: Path, *, reading: bool = False) -> None:
        self._lock = threading.RLock()
        self._folder = folder
        self.reading = reading
        self.writable = True
        try:
            self._connection = self._connect((folder / "records.db").absolute().as_uri())
        except RunError:
            if not reading:
                raise
            self.writable = False
            self._connection = self._connect_to_read()

    def _connect(self, address: str) -> sqlite3.Connection:
        with translated(self._folder):
            if self.writable:
                make_private(self._folder)
            connection = sqlite3.connect(address, timeout=60, check_same_thread=False, isolation_level=None, uri=True)
            try:
                self._open(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _connect_to_read(self) -> sqlite3.Connection:
        file = self._folder / "records.db"
        try:
            if not file.exists() or file.stat().st_size == 0:
                return self._connect(":memory:")
        except PermissionError:
            raise RunError(f"not allowed to read: {file}", why="runs, results and records are kept there",
                           fix=f"let user {os.getuid()} read that folder, or copy the project") from None
        address = file.absolute().as_uri()
        if file.with_name("records.db-wal").exists():
            with contextlib.suppress(RunError):
                return self._connect(f"{address}?mode=ro")
        # SQLite keeps its locks in a file beside the records. Where it cannot make that, it has to be told that nobody else
        # changes them.
        return self._connect(f"{address}?immutable=1")

    def _open(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise RunError(f"{self._folder} was written by a newer version of mlops-lib",
                           fix="upgrade mlops-lib, or move the folder away to start afresh")
        if version == _VERSION:
            return
        if self.writable:
            # Switching to WAL wants the file to itself and does not wait: two first runs at once take turns here.
            with exclusive(self._folder / "records.lock"):
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version={_VERSION};COMMIT;")
        elif connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise RunError(f"{self._folder} was written by an older version of mlops-lib, and cannot be written to",
                           fix="make the project writable, or copy it to a place that is")
        else:
            connection.executescript(_SCHEMA)

    def rows(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock, translated(self._folder):
            return self._connection.execute(sql, tuple(parameters)).fetchall()

    def write(self, sql: str, parameters: Iterable[Any] = ()) -> None:
        """One statement, committed."""
        with self._lock, translated(self._folder):
            self._connection.execute(sql, tuple(parameters))

    def write_many(self, sql: str, rows: Iterable[Iterable[Any]]) -> None:
        """One statement for many rows, all or none."""
        with self.transaction():
            self._connection.executemany(sql, [tuple(row) for row in rows])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Several statements, all or none; other processes wait."""
        with self._lock, translated(self._folder):
            if self._connection.in_transaction:
                yield
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.OperationalError):  # a full disk may have ended it already
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file; the object is not used afterwards."""
        with self._lock:
            self._connection.close()


def make_private(folder: Path) -> None:
    """Make ``.mlops``, which git leaves alone by itself."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")


@contextlib.contextmanager
def translated(folder: Path) -> Iterator[None]:
    """What the machine refuses, as errors that a user can act on; *folder* is where it did when nothing more is known."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # a bug of ours
    except sqlite3.DatabaseError as error:
        message = str(error)
        if "disk is full" in message or ("disk I/O" in message and is_full(folder)):
            raise disk_full(str(folder)) from error
        if "readonly" in message or "unable to open" in message:
            raise read_only(str(folder)) from error
        if "locked" in message:
            raise RunError(f"the records in {folder} are busy: {message}", why="another process has held them for a minute",
                           fix="see what other runs of the project are doing, then start again") from error
        raise RunError(f"the records in {folder} are damaged: {message}",
                       fix=f"move {folder / 'records.db*'} away: results are computed again") from error
    except OSError as error:
        raise refused(error) from error


def refused(error: OSError) -> RunError:
    """What the operating system refused, in words."""
    where = str(error.filename or ".mlops")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(where)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return read_only(where)
    return RunError(f"{error.strerror or error}: {where}")


def is_full(folder: Path) -> bool:
    """Whether the disk that *folder* is on has as good as no room left."""
    try:
        return shutil.disk_usage(folder).free < 64 * 1024
    except OSError:
        return False


def disk_full(where: str) -> RunError:
    """The disk has no room left."""
    return RunError(f"the disk is full: {where}", why="what finished before is kept",
                    fix="free some space and start again: finished steps are reused")


def read_only(where: str) -> RunError:
    """The project may not be written to."""
    return RunError(f"not allowed to write: {where}", why="runs, results and records are kept in the project's .mlops folder",
                    fix=f"make the project writable for user {os.getuid()}, or copy it to a place that is")
