"""What exists in the pretended Azure: one JSON file, written in one move, shared by every process that is told its path."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A resource that exists: its type in Terraform, and its values as the provider reads them."""

    type: str
    id: str
    values: Mapping[str, Any]


class Cloud:
    """The resources in *file*. Azure compares ids without case, and so do the keys here."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def items(self) -> tuple[Item, ...]:
        return tuple(Item(**item) for item in self._read().values())

    def of_type(self, kind: str) -> tuple[Item, ...]:
        return tuple(item for item in self.items() if item.type == kind)

    def find(self, key: str, kind: str | None = None) -> Item | None:
        """What has the id *key*. Several types may share an id (an association has its subnet's): *kind* picks one."""
        found = [Item(**item) for name, item in self._read().items() if name.split("|", 1)[1] == key.lower()]
        return next((item for item in found if kind in (None, item.type)), None)

    def put(self, item: Item) -> None:
        with self._changing() as held:
            held[_key(item.type, item.id)] = {"type": item.type, "id": item.id, "values": dict(item.values)}

    def remove(self, item: Item) -> None:
        """Take *item* away and everything that lies in it."""
        with self._changing() as held:
            held.pop(_key(item.type, item.id), None)
            inside = tuple(f"{item.id.lower()}{mark}" for mark in "/|")
            for key in [key for key, other in held.items() if other["id"].lower().startswith(inside)]:
                del held[key]

    def change(self, key: str, **values: Any) -> None:
        """Change a resource behind Terraform's back, as a service or a person in the portal would."""
        item = self.find(key)
        if item is None:
            raise LookupError(f"nothing in {self.file} has the id {key}")
        self.put(Item(type=item.type, id=item.id, values={**item.values, **values}))

    def attach_registry(self, workspace: str) -> str:
        """Do what the service does at the first image build in a workspace without a registry: make one and attach it."""
        group, name = workspace.split("/providers/")[0], workspace.rsplit("/", 1)[1].replace("-", "")
        registry = f"{group}/providers/Microsoft.ContainerRegistry/registries/{name}"
        self.put(Item(type="azurerm_container_registry", id=registry, values={"id": registry, "name": name}))
        self.change(workspace, container_registry_id=registry)
        return registry

    def _read(self) -> dict[str, Any]:
        try:
            held: dict[str, Any] = json.loads(self.file.read_bytes())
        except FileNotFoundError:
            return {}
        return held

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        with open(f"{self.file}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            held = self._read()
            yield held
            new = self.file.with_name(f"{self.file.name}.new")
            new.write_text(json.dumps(held, indent=1, sort_keys=True))
            os.replace(new, self.file)


def _key(kind: str, key: str) -> str:
    return f"{kind}|{key.lower()}"
