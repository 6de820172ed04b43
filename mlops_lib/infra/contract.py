"""The contract of a stage's Terraform output ``aml``: read into a frozen value, every wrong field told by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import Finding, Place, StageError, did_you_mean, listing

SCHEMA_VERSION = 1
_TEXTS = ("stage", "subscription_id", "tenant_id", "resource_group")
_TEXT_TABLES: Mapping[str, tuple[str, ...]] = {
    "workspace": ("id", "name", "location"), "storage": ("id", "name"), "vault": ("id", "uri"),
    "networking": ("mode",), "endpoints": ("online", "batch"),
}
_COMPUTE_KINDS = ("cluster", "instance")
_DATASTORE_TYPES = ("adls_gen2", "blob", "file_share")
# What no output may hold, whoever may read it.
_SECRETS = ("account_key", "accountkey=", "client_secret", "connection_string", "connectionstring", "password",
            "sharedaccesskey", "sas_token", "sig=")


@dataclass(frozen=True, kw_only=True, slots=True)
class Compute:
    """A compute of a stage: ``cluster`` or ``instance``."""

    kind: str
    vm_size: str | None = None
    min_nodes: int | None = None
    max_nodes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Datastore:
    """A datastore of a stage: ``blob``, ``adls_gen2`` or ``file_share``."""

    type: str
    account: str | None = None
    container: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What Terraform made of a stage.

    Attributes:
        name: ``dev``, ``qa`` or ``prod``.
        workspace: The workspace's id, name and location.
        endpoints: The names that the stage's online and batch endpoints are to have.
        registry: The container registry's id and login server; None when the stage has none.
        outputs: All that Terraform said: keys are only ever added.
    """

    name: str
    subscription_id: str
    tenant_id: str
    resource_group: str
    workspace: Mapping[str, str]
    computes: Mapping[str, Compute]
    datastores: Mapping[str, Datastore]
    endpoints: Mapping[str, str]
    registry: Mapping[str, str] | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read(document: Any, source: str) -> Stage:
    """A stage from what ``terraform output -json`` printed: the output ``aml``, with or without what is around it.

    Args:
        document: Plain data.
        source: Where it came from, for messages.

    Raises:
        StageError: it is not a stage's outputs: with every field that is missing, wrong or secret.
    """
    for key in ("aml", "value"):
        inner = document.get(key) if isinstance(document, dict) else None
        if isinstance(inner, dict):
            document = inner
    if not isinstance(document, dict):
        raise StageError(f"{source} holds no stage's outputs", why="the output 'aml' is an object",
                         fix="terraform output -json aml")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise StageError(f"{source} has schema_version {version!r}", why=f"this library reads version {SCHEMA_VERSION}",
                         fix="apply the stage with the Terraform of this version, or update the library")
    wrong = list(_wrong(document))
    if wrong:
        raise StageError(f"{source} is no stage's outputs: {listing(wrong)}", why="these fields are missing or wrong",
                         fix="apply the stage again, and publish its outputs")
    computes = {name: Compute(kind=told["kind"], vm_size=told.get("vm_size"), min_nodes=told.get("min_nodes"),
                              max_nodes=told.get("max_nodes")) for name, told in document["computes"].items()}
    datastores = {name: Datastore(type=told["type"], account=told.get("account"), container=told.get("container"))
                  for name, told in document["datastores"].items()}
    return Stage(
        name=document["stage"], subscription_id=document["subscription_id"], tenant_id=document["tenant_id"],
        resource_group=document["resource_group"], workspace=document["workspace"], computes=computes, datastores=datastores,
        endpoints=document["endpoints"], registry=document.get("registry"), outputs=document,
    )


def _wrong(document: Mapping[str, Any]) -> Iterable[str]:
    yield from (key for key in _TEXTS if not isinstance(document.get(key), str))
    for key, fields in _TEXT_TABLES.items():
        value = document.get(key)
        if not isinstance(value, dict):
            yield key
        else:
            yield from (f"{key}.{name}" for name in fields if not isinstance(value.get(name), str))
    registry = document.get("registry")
    if registry is not None and not (isinstance(registry, dict) and isinstance(registry.get("id"), str)):
        yield "registry"
    for key, word, allowed in (("computes", "kind", _COMPUTE_KINDS), ("datastores", "type", _DATASTORE_TYPES)):
        value = document.get(key)
        if not isinstance(value, dict):
            yield key
            continue
        yield from (f"{key}.{name}.{word}" for name, told in value.items()
                    if not isinstance(told, dict) or told.get(word) not in allowed)
    yield from (f"{path} (a secret)" for path in _secrets(document, ""))


def _secrets(value: Any, path: str) -> Iterable[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}" if path else str(key)
            if any(word in str(key).lower() for word in _SECRETS):
                yield here
            else:
                yield from _secrets(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _secrets(inner, f"{path}[{index}]")
    elif isinstance(value, str) and any(word in value.lower() for word in _SECRETS):
        yield path


class Used(NamedTuple):
    """A name that a file uses: of a ``compute``, a ``datastore`` or an ``endpoint``."""

    kind: str
    name: str
    place: Place


def missing(used: Iterable[Used], stage: Stage) -> list[Finding]:
    """A finding for every name that *stage* lacks."""
    known: Mapping[str, Iterable[str]] = {
        "compute": stage.computes, "datastore": stage.datastores, "endpoint": stage.endpoints.values()}
    found = []
    for kind, name, place in used:
        names = sorted(known[kind])
        if name not in names:
            found.append(Finding(
                code="not-in-stage", what=f"stage {stage.name!r} has no {kind} {name!r}", place=place,
                why=f"Terraform made {listing(names)}" if names else f"Terraform made no {kind}",
                fix=did_you_mean(name, names) if names else f"add it to the {kind}s of the stage"))
    return found
