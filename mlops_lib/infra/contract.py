"""The contract of a stage's Terraform output ``aml``: read into a frozen value, every wrong field told by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import Finding, Place, StageError, did_you_mean, listing

SCHEMA_VERSION = 1
# What the output has at least: texts, objects with at least these texts, and maps of objects.
TEXTS = ("stage", "subscription_id", "tenant_id", "location", "resource_group")
OBJECTS: Mapping[str, tuple[str, ...]] = {
    "app_insights": ("id",), "endpoints": ("batch", "online"), "networking": ("isolation_mode", "mode"),
    "storage": ("id", "name"), "vault": ("id", "name", "uri"), "workspace": ("discovery_url", "id", "location", "name"),
}
MAPS = ("computes", "datastores", "identities")
OPTIONAL: Mapping[str, tuple[str, ...]] = {"registry": ("id", "login_server", "name")}  # an object, or null
# What an entry of a map has at least, and where one of a few words is meant, which.
_ENTRIES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "computes": {"kind": ("cluster", "instance")}, "kubernetes": {"cluster_id": (), "namespace": ()},
    "datastores": {"type": ("adls_gen2", "blob", "file_share")},
    "identities": {"client_id": (), "id": ()},
}
LATER = ("kubernetes",)  # maps that came after the first version: an output without them has none
_SCHEDULE: Mapping[str, tuple[str, ...]] = {"action": ("start", "stop"), "cron": (), "time_zone": ()}
# Azure ML makes these in every workspace; Terraform neither makes nor tells them.
_EVERYWHERE = ("workspaceartifactstore", "workspaceblobstore", "workspacefilestore", "workspaceworkingdirectory")
_WORKERS = ("jobs", "workspace")  # the identities that every stage has
# What no output may hold, whoever may read it.
_SECRETS = ("account_key", "accountkey=", "client_secret", "connection_string", "connectionstring", "password",
            "sharedaccesskey", "sas_token", "sig=")


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerSchedule:
    """When a compute instance is to ``start`` or ``stop``: a cron expression, in a time zone that Windows names."""

    action: str
    cron: str
    time_zone: str = "UTC"


@dataclass(frozen=True, kw_only=True, slots=True)
class Compute:
    """A compute of a stage: ``cluster``, ``instance`` or ``kubernetes``.

    Attributes:
        idle_shutdown: Of an instance, after how long without work it stops, as ISO 8601 writes it; None: nobody said.
        schedules: Of an instance, when it starts and stops, by name; None: nobody said.
        cluster_id: Of a Kubernetes cluster, its resource id.
        namespace: Of a Kubernetes cluster, where jobs run in it.
        instance_type: Of a Kubernetes cluster, which of its instance types jobs get; None for its default.
    """

    kind: str
    vm_size: str | None = None
    min_nodes: int | None = None
    max_nodes: int | None = None
    low_priority: bool = False
    idle_shutdown: str | None = None
    schedules: Mapping[str, PowerSchedule] | None = None
    cluster_id: str | None = None
    namespace: str | None = None
    instance_type: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Datastore:
    """A datastore of a stage: ``blob``, ``adls_gen2`` or ``file_share``; what jobs may do there: ``read`` or ``write``."""

    type: str
    account: str | None = None
    container: str | None = None
    subscription_id: str | None = None
    resource_group: str | None = None
    access: str = "read"


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A user-assigned identity: code signs in as *client_id*, roles are granted to *principal_id*."""

    id: str
    client_id: str
    principal_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What Terraform made of a stage.

    Attributes:
        name: ``dev``, ``qa`` or ``prod``, or one of these with more after a hyphen.
        workspace: The workspace's id, name, location and discovery address.
        identities: What the ``workspace`` is, and what ``jobs`` sign in as.
        endpoints: The names that the stage's online and batch endpoints are to have.
        storage: The id and name of the workspace's storage account.
        vault: The id, name and address of its vault.
        app_insights: The resource id of its Application Insights.
        networking: ``mode`` (``public`` or ``private``) and ``isolation_mode`` (Azure ML's word for its managed network).
        registry: The container registry's id, name and login server; None when the stage has none of its own or shared.
        outputs: All that Terraform said: keys are only ever added.
    """

    name: str
    subscription_id: str
    tenant_id: str
    location: str
    resource_group: str
    workspace: Mapping[str, str]
    identities: Mapping[str, Identity]
    computes: Mapping[str, Compute]
    datastores: Mapping[str, Datastore]
    endpoints: Mapping[str, str]
    storage: Mapping[str, str]
    vault: Mapping[str, str]
    app_insights: str
    networking: Mapping[str, Any]
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
    return Stage(
        name=document["stage"], subscription_id=document["subscription_id"], tenant_id=document["tenant_id"],
        location=document["location"], resource_group=document["resource_group"], workspace=document["workspace"],
        identities={name: Identity(id=told["id"], client_id=told["client_id"], principal_id=told.get("principal_id"))
                    for name, told in document["identities"].items()},
        computes={name: _compute(told) for name, told in document["computes"].items()} | {
            name: Compute(kind="kubernetes", cluster_id=told["cluster_id"], namespace=told["namespace"],
                          instance_type=told.get("instance_type"))
            for name, told in (document.get("kubernetes") or {}).items()},
        datastores={name: Datastore(type=told["type"], account=told.get("account"), container=told.get("container"),
                                    subscription_id=told.get("subscription_id"), resource_group=told.get("resource_group"),
                                    access=told.get("access", "read"))
                    for name, told in document["datastores"].items()},
        endpoints=document["endpoints"], storage=document["storage"], vault=document["vault"],
        app_insights=document["app_insights"]["id"], networking=document["networking"], registry=document.get("registry"),
        outputs=document,
    )


def _compute(told: Mapping[str, Any]) -> Compute:
    schedules = told.get("schedules")
    return Compute(kind=told["kind"], vm_size=told.get("vm_size"), min_nodes=told.get("min_nodes"),
                   max_nodes=told.get("max_nodes"), low_priority=told.get("low_priority", False),
                   idle_shutdown=told.get("idle_shutdown"), schedules=None if schedules is None else {
                       name: PowerSchedule(action=one["action"], cron=one["cron"], time_zone=one["time_zone"])
                       for name, one in schedules.items()})


def _wrong(document: Mapping[str, Any]) -> Iterable[str]:
    yield from (key for key in TEXTS if not isinstance(document.get(key), str))
    for key, fields in {**OBJECTS, **OPTIONAL}.items():
        value = document.get(key)
        if value is None and key in OPTIONAL:
            continue
        if not isinstance(value, dict):
            yield key
        else:
            yield from (f"{key}.{name}" for name in fields if not isinstance(value.get(name), str))
    for key in (*MAPS, *(later for later in LATER if document.get(later) is not None)):
        value = document.get(key)
        yield from _wrong_entries(value, key, _ENTRIES[key])
        for name, told in value.items() if isinstance(value, dict) and key == "computes" else ():
            if isinstance(told, dict):
                yield from _wrong_times(told, f"{key}.{name}")
        if key == "identities":
            yield from (f"identities.{name}" for name in _WORKERS if isinstance(value, dict) and name not in value)
    yield from (f"{path} (a secret)" for path in _secrets(document, ""))


def _wrong_entries(value: Any, path: str, entry: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    """What of a map of objects is none, or has a wrong text."""
    if not isinstance(value, dict):
        yield path
        return
    for name, told in value.items():
        if not isinstance(told, dict):
            yield f"{path}.{name}"
            continue
        yield from (f"{path}.{name}.{word}" for word, allowed in entry.items()
                    if not isinstance(told.get(word), str) or (allowed and told[word] not in allowed))


def _wrong_times(told: Mapping[str, Any], path: str) -> Iterable[str]:
    """What is wrong with the times at which an instance starts and stops."""
    if not isinstance(told.get("idle_shutdown"), str | None):
        yield f"{path}.idle_shutdown"
    if told.get("schedules") is not None:
        yield from _wrong_entries(told["schedules"], f"{path}.schedules", _SCHEDULE)


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
        if name not in names and not (kind == "datastore" and name in _EVERYWHERE):
            found.append(Finding(
                code="not-in-stage", what=f"stage {stage.name!r} has no {kind} {name!r}", place=place,
                why=f"Terraform made {listing(names)}" if names else f"Terraform made no {kind}",
                fix=did_you_mean(name, names) if names else f"add it to the {kind}s of the stage"))
    return found
