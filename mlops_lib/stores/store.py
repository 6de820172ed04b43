"""Everything under ``.mlops/``, opened together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..fingerprint import Fingerprint
from ..graph import Step
from ..plan import Stored
from .artifacts import Artifacts
from .database import Database
from .digests import Digests
from .records import Assets, Records

FOLDER = ".mlops"


@dataclass(frozen=True, slots=True)
class Store:
    """A project's runs, results, artifacts and assets."""

    folder: Path
    database: Database
    digests: Digests
    artifacts: Artifacts
    records: Records
    assets: Assets

    @classmethod
    def open(cls, project: Path, *, reading: bool = False) -> Store:
        """Open the store of the project in *project*.

        Args:
            project: The project's folder.
            reading: Nothing has to be stored: a project that may not be written to does too.

        Raises:
            RunError: it cannot be made or opened.
        """
        folder = project / FOLDER
        database = Database(folder, reading=reading)
        digests = Digests(database)
        return cls(folder, database, digests, Artifacts(folder / "artifacts", digests), Records(database, folder),
                   Assets(database))

    def lookup(self, fingerprint: Fingerprint) -> Stored | None:
        """A stored result whose outputs are all intact."""
        stored = self.records.lookup(fingerprint.digest)
        if stored is None or not all(self.artifacts.intact(output) for output in stored.outputs.values()):
            return None
        return stored

    def history_of(self, pipeline: str) -> Callable[[Step], dict[str, str] | None]:
        """The fingerprint's parts when a step of *pipeline* last finished."""
        return lambda step: self.records.history(pipeline, step.name)

    def close(self) -> None:
        """Remember digests, close the database."""
        try:
            self.digests.flush()
        finally:
            self.database.close()
