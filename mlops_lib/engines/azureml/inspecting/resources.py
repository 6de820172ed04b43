"""The resources of a stage: whether they are there and ready, and are those that Terraform told of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ....errors import did_you_mean
from ....infra import Compute, Datastore, Stage
from ....infra.roles import account_id, container_id
from ..configuring import changes, hindrances
from ..workspace import Workspace
from .report import Fact, Lack, Report, Unread

_ML: Final = "2024-10-01"
_COMPUTES: Final = {"cluster": "AmlCompute", "instance": "ComputeInstance", "kubernetes": "Kubernetes"}
_DATASTORES: Final = {"blob": "AzureBlob", "adls_gen2": "AzureDataLakeGen2", "file_share": "AzureFile"}
# Where each type of datastore says what of the account it shows.
_HOLDS: Final = {"blob": "containerName", "adls_gen2": "filesystem", "file_share": "fileShareName"}
_BAD_INSTANCE: Final = ("CreateFailed", "SetupFailed", "Unusable", "Unknown", "JobFailed")
_GOOD: Final = ("Succeeded", "Updating")
_APPLY: Final = "apply the stage again"
_PUBLISH: Final = "apply the stage again, and publish its outputs"

Properties = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Resource:
    """A resource with an id of its own, the API's version that shows it, and what else is to be so."""

    kind: str
    name: str
    id: str
    version: str
    judge: Callable[[Properties], Iterable[Lack]] = lambda properties: ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


def questions(workspace: Workspace) -> list[Callable[[], Report]]:
    """What is to be asked, each in a request or two, in no order."""
    stage = workspace.stage
    resources = list(_resources(stage))

    def question(resource: _Resource) -> Callable[[], Report]:
        return lambda: _look(workspace, resource)

    return [*(question(resource) for resource in resources), lambda: _computes(workspace), lambda: _datastores(workspace)]


def _resources(stage: Stage) -> Iterator[_Resource]:
    yield _Resource(kind="workspace", name=stage.workspace["name"], id=stage.workspace["id"], version=_ML,
                    judge=lambda found: _belongings(stage, found))
    yield _Resource(kind="storage account", name=stage.storage["name"], id=stage.storage["id"], version="2023-05-01",
                    judge=lambda found: _primary(stage.storage["name"], found))
    yield _Resource(kind="key vault", name=stage.vault["name"], id=stage.vault["id"], version="2023-07-01")
    insights = stage.app_insights.rpartition("/")[2]
    yield _Resource(kind="Application Insights", name=insights, id=stage.app_insights, version="2020-02-02")
    if stage.registry is not None:
        yield _Resource(kind="container registry", name=stage.registry["name"], id=stage.registry["id"], version="2023-07-01")
    for who, identity in stage.identities.items():
        yield _Resource(
            kind="identity", name=who, id=identity.id, version="2023-01-31",
            judge=lambda found, who=who, identity=identity: _same(who, identity, found))  # type: ignore[misc]
    accounts = {account_id(stage, datastore): datastore.account for datastore in stage.datastores.values() if datastore.account}
    for key, account in accounts.items():
        if key.lower() != stage.storage["id"].lower():
            yield _Resource(kind="storage account", name=str(account), id=key, version="2023-05-01",
                            judge=lambda found, account=account: _primary(str(account), found))  # type: ignore[misc]
    for name, datastore in stage.datastores.items():
        if datastore.type != "file_share" and datastore.account and datastore.container:
            yield _Resource(kind="container", name=f"{datastore.account}/{datastore.container}", version="2023-05-01",
                            id=container_id(stage, datastore), judge=lambda found, name=name: _kept(name, found))  # type: ignore[misc]


def _look(workspace: Workspace, resource: _Resource) -> Report:
    look = workspace.look(resource.id, doing=f"read the {resource}", version=resource.version)
    if look.denied is not None:
        return Report(unread=(Unread.of(str(resource), look),))
    if look.found is None:
        return Report(lacks=(Lack(what=f"there is no {resource}", why=f"Azure has nothing at {resource.id}", fix=_PUBLISH),))
    properties: Properties = look.found.get("properties") or {}
    state = str(properties.get("provisioningState") or "Succeeded")
    lacks = [] if state in _GOOD else [Lack(what=f"the {resource} is {state.lower()}",
                                            why="its provisioning has not come to a good end", fix=_APPLY)]
    return Report((Fact(resource.kind, resource.name, state),), (*lacks, *resource.judge(properties)))


def _belongings(stage: Stage, properties: Properties) -> Iterator[Lack]:
    """A workspace keeps the resources it was made with: others in the outputs are outputs of another workspace."""
    told = {"storageAccount": stage.storage["id"], "keyVault": stage.vault["id"], "applicationInsights": stage.app_insights}
    if stage.registry is not None:
        told["containerRegistry"] = stage.registry["id"]
    for key, expected in told.items():
        found = str(properties.get(key) or "")
        if found.lower() != expected.lower():
            yield Lack(what=f"the workspace {stage.workspace['name']!r} has another {key} than the outputs say",
                       why=f"it has {found or 'none'}, they say {expected}", fix=_PUBLISH)


def _primary(name: str, properties: Properties) -> Iterator[Lack]:
    if str(properties.get("statusOfPrimary") or "available").lower() != "available":
        yield Lack(what=f"the storage account {name!r} is not available", why="Azure says so of its primary location",
                   fix="wait, or see the state of Azure's services")


def _kept(datastore: str, properties: Properties) -> Iterator[Lack]:
    if properties.get("deleted"):
        yield Lack(what=f"the container of datastore {datastore!r} was deleted", why="it is kept for some days",
                   fix="restore it in the Azure portal")


def _same(who: str, identity: Any, properties: Properties) -> Iterator[Lack]:
    for key, expected in (("clientId", identity.client_id), ("principalId", identity.principal_id)):
        found = properties.get(key)
        if expected and found and found != expected:
            yield Lack(what=f"the identity {who!r} was made anew", why=f"its {key} is {found}, the outputs say {expected}",
                       fix=_PUBLISH)
            return


# --- computes --------------------------------------------------------------------------------------------------------


def _computes(workspace: Workspace) -> Report:
    look = workspace.look_at_all(f"{workspace.path}/computes", doing="list the computes", version=_ML)
    if look.found is None:
        return Report(unread=(Unread.of("the computes", look),)) if look.denied else Report()
    stage, there = workspace.stage, {item["name"]: item.get("properties") or {} for item in look.found}
    facts, lacks = [], []
    for name, told in sorted(stage.computes.items()):
        found = there.get(name)
        if found is None and told.kind == "kubernetes":
            continue  # not attached yet, which is told below
        if found is None:
            lacks.append(_absent("compute", name, there))
            continue
        facts.append(Fact("compute", name, str(found.get("provisioningState") or "Succeeded"), _machine(found)))
        lacks += _unlike(name, told, found)
    lacks += [Lack(what=f"the compute {change.compute!r} is not configured as the outputs wish",
                   why=change.what, fix=f"mlops stage configure {stage.name}") for change in changes(stage, there)]
    lacks += [Lack(what=f"stage {stage.name!r} cannot be configured as its outputs wish", why=hindrance,
                   fix="correct the variables of Terraform and apply again") for hindrance in hindrances(stage, there)
              if not hindrance.startswith("there is no compute")]
    return Report(tuple(facts), tuple(lacks))


def _absent(kind: str, name: str, there: Iterable[str]) -> Lack:
    names = sorted(there)
    return Lack(what=f"the workspace has no {kind} {name!r}", why="Terraform's outputs name it",
                fix=f"{_APPLY}; {did_you_mean(name, names)}" if names else _APPLY)


def _machine(found: Properties) -> str:
    """A compute in words: its size, and the nodes it has or whether it runs."""
    inner: Properties = found.get("properties") or {}
    scale = inner.get("scaleSettings") or {}
    nodes = f"{inner.get('currentNodeCount', 0)} of {scale.get('maxNodeCount')} nodes" if scale else ""
    parts = inner.get("vmSize"), nodes, inner.get("allocationState") or inner.get("state")
    return ", ".join(str(part) for part in parts if part)


def _unlike(name: str, told: Compute, found: Properties) -> Iterator[Lack]:
    """What of a compute is not as Terraform made it, or is of no use."""
    inner: Properties = found.get("properties") or {}
    state = str(found.get("provisioningState") or "Succeeded")
    errors = [*(found.get("provisioningErrors") or ()), *(inner.get("errors") or ())]
    why = "; ".join(str((error.get("error") or error).get("message")) for error in errors) or "Azure does not say why"
    if state in ("Failed", "Canceled", "Deleting"):
        yield Lack(what=f"the compute {name!r} is {state.lower()}", why=why, fix=_APPLY)
    elif inner.get("state") in _BAD_INSTANCE:
        yield Lack(what=f"the compute instance {name!r} is of no use: {inner['state']}", why=why,
                   fix="restart it, or let Terraform replace it")
    elif errors:
        yield Lack(what=f"the compute {name!r} could not get its nodes", why=why,
                   fix="ask for more quota, or name a smaller size")
    kind = found.get("computeType")
    if kind != _COMPUTES[told.kind]:
        yield Lack(what=f"the compute {name!r} is no {told.kind}", why=f"it is {kind}", fix=_PUBLISH)
        return
    for word, expected, actual in _settings(told, inner):
        if expected is not None and str(actual).lower() != str(expected).lower():
            yield Lack(what=f"the compute {name!r} has another {word} than the outputs say",
                       why=f"it has {actual}, they say {expected}", fix=_PUBLISH)
    if unusable := (inner.get("nodeStateCounts") or {}).get("unusableNodeCount"):
        yield Lack(what=f"the compute {name!r} has {unusable} nodes that are of no use", why="Azure ML says so of them",
                   fix="see them in the studio")


def _settings(told: Compute, inner: Properties) -> Iterator[tuple[str, Any, Any]]:
    yield "size", told.vm_size, inner.get("vmSize")
    if told.kind == "cluster":
        scale = inner.get("scaleSettings") or {}
        yield "minimum of nodes", told.min_nodes, scale.get("minNodeCount")
        yield "maximum of nodes", told.max_nodes, scale.get("maxNodeCount")
        yield "priority", "LowPriority" if told.low_priority else "Dedicated", inner.get("vmPriority") or "Dedicated"


# --- datastores ------------------------------------------------------------------------------------------------------


def _datastores(workspace: Workspace) -> Report:
    look = workspace.look_at_all(f"{workspace.path}/datastores", doing="list the datastores", version=_ML)
    if look.found is None:
        return Report(unread=(Unread.of("the datastores", look),)) if look.denied else Report()
    there = {item["name"]: item.get("properties") or {} for item in look.found}
    facts, lacks = [], []
    for name, told in sorted(workspace.stage.datastores.items()):
        found = there.get(name)
        if found is None:
            lacks.append(_absent("datastore", name, there))
            continue
        place = f"{found.get('accountName')}/{found.get(_HOLDS[told.type])}"
        facts.append(Fact("datastore", name, "Succeeded", f"{found.get('datastoreType')} {place}"))
        lacks += _elsewhere(name, told, found, place)
    if not any(found.get("isDefault") for found in there.values()):
        lacks.append(Lack(what="the workspace has no default datastore", why="what jobs make goes there",
                          fix="az ml datastore update --name workspaceblobstore --set is_default=true"))
    return Report(tuple(facts), tuple(lacks))


def _elsewhere(name: str, told: Datastore, found: Properties, place: str) -> Iterator[Lack]:
    if found.get("datastoreType") != _DATASTORES[told.type]:
        yield Lack(what=f"the datastore {name!r} is no {told.type}", why=f"it is {found.get('datastoreType')}", fix=_PUBLISH)
    elif told.account and told.container and place != f"{told.account}/{told.container}":
        yield Lack(what=f"the datastore {name!r} shows another place than the outputs say",
                   why=f"it shows {place}, they say {told.account}/{told.container}", fix=_PUBLISH)
