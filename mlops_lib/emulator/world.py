"""What every handler works on: the rows, the storage account, the identity, and the setup that it began with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .blobs import Account
from .resources import Resources
from .setup import Setup
from .tokens import Tokens


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """The state behind the routes.

    Attributes:
        home: The emulator's folder.
        client_secret: Of the setup's client, for tokens.
    """

    setup: Setup
    home: Path
    resources: Resources
    account: Account
    tokens: Tokens
    client_secret: str

    @property
    def location(self) -> str:
        return self.setup.location

    @property
    def page_size(self) -> int:
        return self.setup.page_size
