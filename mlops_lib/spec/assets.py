"""Environments, data, models and the files that only Azure ML acts on, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..document import Scalar, Table, plain
from ..errors import Place
from . import reading
from .ports import NOWHERE

NOTHING = Table({}, {}, NOWHERE)
_SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """The software a component needs: an image, a conda file (a path, or its content), or a Docker build."""

    name: str | None = None
    version: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    conda_file: str | Mapping[str, Any] | None = None
    build: Mapping[str, Any] | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)
    folder: str = field(default="", compare=False)
    document: Table = field(default=NOTHING, compare=False, repr=False)
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_document(cls, value: Table, *, folder: str) -> Environment:
        """An environment from its checked document."""
        conda, build = value.get("conda_file"), value.get("build")
        return cls(
            name=reading.text(value, "name"), version=reading.text(value, "version"),
            description=reading.text(value, "description"), tags=reading.text_map(value, "tags"),
            image=reading.text(value, "image"),
            conda_file=plain(conda) if isinstance(conda, Table) else conda.text if isinstance(conda, Scalar) else None,
            build=plain(build) if isinstance(build, Table) else None,
            rest=reading.rest(value, {"$schema", "name", "version", "description", "tags", "image", "conda_file", "build"}),
            folder=folder, document=value, place=value.place,
            places={key: item.place for key, item in value.entries.items()},
        )

    def to_dict(self, *, schema: bool = True) -> dict[str, Any]:
        """The environment's YAML; without ``$schema`` where it stands inside another file."""
        result = {"$schema": _SCHEMA.format("environment") if schema else None, "name": self.name,
                  "version": self.version, "description": self.description, "tags": dict(self.tags) or None,
                  "image": self.image, "conda_file": self.conda_file, "build": self.build}
        return {key: value for key, value in result.items() if value is not None} | dict(self.rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """A data asset or a model: a name and version for bytes at a path; *kind* is ``data`` or ``model``."""

    kind: str
    path: str
    type: str
    name: str | None = None
    version: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, Any] = field(default_factory=dict)
    folder: str = field(default="", compare=False)
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_document(cls, value: Table, kind: str, *, folder: str) -> Asset:
        """An asset from its checked document."""
        return cls(
            kind=kind, path=reading.text(value, "path") or "", name=reading.text(value, "name"),
            type=reading.word(value, "type") or ("uri_folder" if kind == "data" else "custom_model"),
            version=reading.text(value, "version"), description=reading.text(value, "description"),
            tags=reading.text_map(value, "tags"),
            rest=reading.rest(value, {"$schema", "path", "type", "name", "version", "description", "tags"}),
            folder=folder, place=value.place, places={key: item.place for key, item in value.entries.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """The asset's YAML."""
        result = {"$schema": _SCHEMA.format(self.kind), "name": self.name, "version": self.version, "type": self.type,
                  "path": self.path, "description": self.description, "tags": dict(self.tags) or None}
        return {key: value for key, value in result.items() if value is not None} | dict(self.rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherFile:
    """A file that is checked and never run here, such as a schedule or an endpoint.

    Attributes:
        kind: As :data:`mlops_lib.spec.KINDS` calls it.
        document: All of it, with the place of everything.
    """

    kind: str
    document: Table
    folder: str = field(default="", compare=False)
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The file's YAML."""
        return {key: plain(value) for key, value in self.document.entries.items()}
