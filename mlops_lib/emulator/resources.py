"""Everything that Azure would remember, as rows: a resource by its id, in SQLite, so that a restart forgets nothing."""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .wire import Problem

# Azure Resource Manager compares ids without regard to case.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE COLLATE NOCASE, collection TEXT NOT NULL COLLATE NOCASE,
    body TEXT NOT NULL, etag TEXT NOT NULL, created REAL NOT NULL, modified REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS collections ON resources (collection);
"""
_COLUMNS = "id, body, etag, created, modified"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as it is stored: *body* is what Azure answers, less id, name and type."""

    id: str
    body: Mapping[str, Any]
    etag: str
    created: float
    modified: float

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def properties(self) -> Mapping[str, Any]:
        found = self.body.get("properties")
        return found if isinstance(found, dict) else {}


class Resources:
    """The rows, by their ids as keys; every method may be called from any thread."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is read and written meanwhile is read and written at once, or not at all."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def find(self, key: str) -> Resource | None:
        found = self._select("id = ?", [key])
        return found[0] if found else None

    def get(self, key: str) -> Resource:
        """The resource.

        Raises:
            Problem: 404, there is none.
        """
        found = self.find(key)
        if found is None:
            raise Problem(404, "ResourceNotFound", f"The resource '{key}' was not found.")
        return found

    def put(self, key: str, body: Mapping[str, Any]) -> Resource:
        """Create or replace it."""
        now, collection = time.time(), key.rpartition("/")[0]
        with self.together():
            self._connection.execute(
                "INSERT INTO resources (id, collection, body, etag, created, modified) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET body = excluded.body, etag = excluded.etag, modified = excluded.modified",
                [key, collection, json.dumps(body), f'"{secrets.token_hex(8)}"', now, now])
            return self.get(key)

    def delete(self, key: str) -> bool:
        """Remove it and all below it; whether it was there."""
        with self.together():
            there = self.find(key) is not None
            # A child's id goes on with '/', which only '0' follows in order: a range, since LIKE has its own wild cards.
            self._connection.execute("DELETE FROM resources WHERE id = ? OR (id > ? AND id < ?)", [key, f"{key}/", f"{key}0"])
            return there

    def all_in(self, collection: str) -> Sequence[Resource]:
        """What stands directly in a collection, oldest first."""
        return self._select("collection = ? ORDER BY position", [collection])

    def below(self, key: str) -> Sequence[Resource]:
        """All whose id goes on from *key*, oldest first."""
        return self._select("id > ? AND id < ? ORDER BY position", [f"{key}/", f"{key}0"])

    def _select(self, where: str, parameters: Sequence[Any]) -> list[Resource]:
        with self._lock:
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM resources WHERE {where}", parameters).fetchall()
        return [Resource(key, json.loads(body), *rest) for key, body, *rest in rows]

    def close(self) -> None:
        with self._lock:
            self._connection.close()
