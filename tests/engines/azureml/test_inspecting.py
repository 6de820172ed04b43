"""What a stage really has, as the local Azure ML answers for Azure."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from mlops_lib.emulator.router import Service
from mlops_lib.emulator.wire import Problem, Request, Response
from mlops_lib.engines.azureml.inspecting import Report, inspect
from mlops_lib.engines.azureml.transport import Patience
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import StageError
from mlops_lib.infra import Compute, Datastore, Identity, Stage

from .conftest import Mlops, black_hole
from .stage import ScriptedAzure

CLUSTER = Compute(kind="cluster", vm_size="Standard_DS3_v2", min_nodes=0, max_nodes=4)


def look(stage: Stage) -> Report:
    with Workspace(stage, patience=Patience(attempts=1)) as workspace:
        return inspect(workspace)


Change = Callable[[str, Mapping[str, Any]], None]


@pytest.fixture
def change(azure: ScriptedAzure) -> Iterator[Change]:
    """Another state of something that all tests share, until the test is over."""
    from mlops_lib.emulator.arm import merged

    before: dict[str, Mapping[str, Any]] = {}

    def into(key: str, patch: Mapping[str, Any]) -> None:
        before[key] = azure.world.resources.get(key).body
        azure.world.resources.put(key, merged(before[key], {"properties": patch}))

    yield into
    for key, body in before.items():
        azure.world.resources.put(key, body)


def test_a_stage_as_terraform_left_it_lacks_nothing(stage: Stage, azure: ScriptedAzure) -> None:
    report = look(stage)
    assert (report.lacks, report.unread) == ((), ())
    kinds = [fact.kind for fact in report.facts]
    assert {"workspace", "storage account", "key vault", "Application Insights", "container registry", "identity", "container",
            "compute", "datastore", "quota", "roles"} == set(kinds)
    assert next(fact.about for fact in report.facts if fact.kind == "compute") == "Standard_DS3_v2, 0 of 4 nodes, Steady"
    assert [call.status for call in azure.requests() if call.status >= 400] == [401], "the first is without a token"
    assert not [call for call in azure.requests(Service.MANAGEMENT) if call.method != "GET"], "a look changes nothing"


@pytest.mark.parametrize(("computes", "what"), [
    ({"gpu": CLUSTER}, "the workspace has no compute 'gpu'"),
    ({"cpu": replace(CLUSTER, max_nodes=8)}, "the compute 'cpu' has another maximum of nodes than the outputs say"),
    ({"cpu": replace(CLUSTER, vm_size="Standard_DS4_v2")}, "the compute 'cpu' has another size than the outputs say"),
    ({"cpu": replace(CLUSTER, low_priority=True)}, "the compute 'cpu' has another priority than the outputs say"),
    ({"cpu": Compute(kind="instance", vm_size="Standard_DS3_v2")}, "the compute 'cpu' is no instance"),
])  # fmt: skip
def test_a_compute_that_is_not_as_terraform_said_is_told(stage: Stage, computes: Any, what: str) -> None:
    assert what in [lack.what for lack in look(replace(stage, computes=computes)).lacks]


@pytest.mark.parametrize(("patch", "what", "why"), [
    ({"provisioningState": "Failed", "provisioningErrors": [{"error": {"code": "x", "message": "no such subnet"}}]},
     "the compute 'cpu' is failed", "no such subnet"),
    ({"properties": {"errors": [{"error": {"message": "ClusterCoreQuotaReached"}}]}},
     "the compute 'cpu' could not get its nodes", "ClusterCoreQuotaReached"),
    ({"properties": {"nodeStateCounts": {"unusableNodeCount": 2}}}, "the compute 'cpu' has 2 nodes that are of no use", ""),
])  # fmt: skip
def test_a_compute_that_is_of_no_use_is_told_with_azures_reason(
    stage: Stage, change: Change, patch: Any, what: str, why: str
) -> None:
    change(f"{stage.workspace['id']}/computes/cpu", patch)
    [lack] = look(stage).lacks
    assert lack.what == what
    assert why in lack.why


def test_datastores_that_are_missing_or_show_another_place_are_told(stage: Stage) -> None:
    raw = stage.datastores["raw"]
    changed = {"raw": replace(raw, container="elsewhere"), "landing": raw}
    whats = [lack.what for lack in look(replace(stage, datastores=changed)).lacks]
    assert "the datastore 'raw' shows another place than the outputs say" in whats
    assert "the workspace has no datastore 'landing'" in whats
    assert f"there is no container '{raw.account}/elsewhere'" in whats


def test_a_type_that_a_datastore_does_not_have_is_told(stage: Stage) -> None:
    [lack] = look(replace(stage, datastores={"raw": Datastore(type="file_share")})).lacks
    assert (lack.what, lack.why) == ("the datastore 'raw' is no file_share", "it is AzureBlob")


def test_what_is_gone_around_the_workspace_is_told(stage: Stage) -> None:
    vault = {**stage.vault, "id": stage.vault["id"] + "-gone", "name": "kv-gone"}
    report = look(replace(stage, vault=vault))
    whats = [lack.what for lack in report.lacks]
    assert "there is no key vault 'kv-gone'" in whats
    assert f"the workspace {stage.workspace['name']!r} has another keyVault than the outputs say" in whats


@pytest.mark.parametrize(("which", "patch", "what"), [
    ("storage", {"provisioningState": "Creating"}, "is creating"),
    ("storage", {"statusOfPrimary": "unavailable"}, "is not available"),
    ("vault", {"provisioningState": "Failed"}, "is failed"),
    ("registry", {"provisioningState": "Canceled"}, "is canceled"),
])  # fmt: skip
def test_what_is_not_ready_around_the_workspace_is_told(
    stage: Stage, change: Change, which: str, patch: Any, what: str
) -> None:
    change(getattr(stage, which)["id"], patch)
    [lack] = look(stage).lacks
    assert what in lack.what


def test_a_workspace_that_is_gone_is_told_and_the_rest_is_looked_at(stage: Stage) -> None:
    gone = {**stage.workspace, "id": stage.workspace["id"] + "-gone", "name": stage.workspace["name"] + "-gone"}
    report = look(replace(stage, workspace=gone))
    assert f"there is no workspace {gone['name']!r}" in [lack.what for lack in report.lacks]
    assert "storage account" in [fact.kind for fact in report.facts]


def test_an_identity_that_was_made_anew_is_told(stage: Stage) -> None:
    jobs = replace(stage.identities["jobs"], client_id="another")
    assert "the identity 'jobs' was made anew" in [
        lack.what for lack in look(replace(stage, identities={**stage.identities, "jobs": jobs})).lacks]


def test_a_cluster_that_the_quota_does_not_let_grow_is_told(stage: Stage) -> None:
    lacks = look(replace(stage, computes={"cpu": replace(CLUSTER, max_nodes=40)})).lacks
    [lack] = [lack for lack in lacks if "cannot grow" in lack.what]
    assert lack.what == "the compute 'cpu' cannot grow to its 40 nodes"
    assert lack.why == ("they have 160 cores (Standard_DS3_v2 has 4), and the quota of standardDSv2Family in westeurope is 100")
    low = look(replace(stage, computes={"cpu": replace(CLUSTER, max_nodes=40, low_priority=True)})).lacks
    assert "TotalLowPriorityCores" in next(lack.why for lack in low if "cannot grow" in lack.what)


def test_a_size_that_the_location_does_not_have_is_told(stage: Stage) -> None:
    lacks = look(replace(stage, computes={"cpu": replace(CLUSTER, vm_size="Standard_H100")})).lacks
    assert "the size 'Standard_H100' of compute 'cpu' is not to be had in westeurope" in [lack.what for lack in lacks]


def test_roles_that_are_not_granted_are_told_and_a_stronger_or_inherited_one_will_do(
    stage: Stage, azure: ScriptedAzure
) -> None:
    from mlops_lib.emulator.surroundings import assign

    jobs = Identity(id=stage.identities["jobs"].id, client_id=stage.identities["jobs"].client_id, principal_id="p-new")
    report = look(replace(stage, identities={**stage.identities, "jobs": jobs}))
    lacking = {lack.what for lack in report.lacks if "has not the role" in lack.what}
    assert stage.registry is not None
    container = stage.datastores["raw"].container
    assert lacking == {
        f"the identity 'jobs' has not the role {role} on {on}" for role, on in (
            ("'Storage Blob Data Contributor'", f"the storage account {stage.storage['name']!r}"),
            ("'AcrPull' or 'Container Registry Repository Reader'", f"the registry {stage.registry['name']!r}"),
            ("'Storage Blob Data Reader'", f"the container {container!r} of datastore 'raw'"))}
    group = f"/subscriptions/{stage.subscription_id}/resourceGroups/{stage.resource_group}"
    made = [assign(azure.world, group, "p-new", role) for role in ("Storage Blob Data Owner", "AcrPush")]
    report = look(replace(stage, identities={**stage.identities, "jobs": jobs}))
    assert not [lack for lack in report.lacks if "has not the role" in lack.what]
    for key in made:
        azure.world.resources.delete(key)


def test_an_identity_whose_principal_the_outputs_do_not_say_is_not_judged(stage: Stage) -> None:
    unknown = replace(stage.identities["jobs"], principal_id=None)
    report = look(replace(stage, identities={**stage.identities, "jobs": unknown}))
    assert report.lacks == ()
    assert [unread.what for unread in report.unread] == ["the roles of the identity 'jobs'"]


def test_what_may_not_be_seen_is_said_and_is_no_lack(stage: Stage, azure: ScriptedAzure) -> None:
    def closed(request: Request) -> Response | None:
        if "roleAssignments" in request.path or request.path.endswith("/usages"):
            return Problem(403, "AuthorizationFailed", "The client does not have authorization to perform action "
                           "'Microsoft.Authorization/roleAssignments/read' over scope").response()
        if "Microsoft.KeyVault" in request.path:
            return Problem(404, "SubscriptionNotFound", "The subscription could not be found.").response()
        return None

    azure.twists.append(closed)
    report = look(stage)
    assert report.lacks == ()
    told = {unread.what for unread in report.unread}
    assert {"the quota", f"key vault {stage.vault['name']!r}", f"the roles on the storage account {stage.storage['name']!r}"} <= told
    assert all(unread.why for unread in report.unread)


def test_lists_are_read_to_their_last_page(stage: Stage, azure: ScriptedAzure) -> None:
    def first_page(request: Request) -> Response | None:
        if request.path.endswith(("/computes", "/datastores", "/roleAssignments", "/usages")) and "$skipToken" not in request.query:
            return Response(body={"value": [], "nextLink": f"https://{request.host}{request.target}&$skipToken=0"})
        return None

    azure.twists.append(first_page)
    assert look(stage).lacks == ()


def test_an_azure_that_does_not_answer_is_no_report(stage: Stage, azure: ScriptedAzure) -> None:
    azure.twists.append(lambda request: Problem(503, "Busy", "later").response() if request.path.endswith("/usages") else None)
    with pytest.raises(StageError, match="read the quota"):
        look(stage)


def test_an_azure_that_takes_no_connection_is_told_in_seconds(mlops: Mlops, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with black_hole() as silent:
        address = f"127.0.0.1:{silent.address[4][1]}"
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://{address}")
        begun = time.monotonic()
        done = mlops("stage", "check", "dev", "--online")
        assert time.monotonic() - begun < 15, "the usual attempts to connect take longer"
    assert (done.code, done.err) == (4, (
        f"stage 'dev': Azure cannot be reached at management.azure.com: nobody takes a connection at 127.0.0.1 (through the proxy "
        f"{address})\n  fix: see whether the network, a proxy or a private endpoint is in the way\n"))


def test_the_command_makes_one_report_and_exits_with_four_when_something_lacks(
    stage: Stage, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = mlops("stage", "check", "dev", "--online", "--json")
    assert good.code == 0, good.err
    told = json.loads(good.out)
    assert (told["lacks"], told["mistakes"], told["online"]["lacks"], told["online"]["unread"]) == ([], [], [], [])
    outputs = json.loads(os.environ["MLOPS_DEV_OUTPUTS"])
    outputs["computes"]["cpu"]["max_nodes"] = 5
    monkeypatch.setenv("MLOPS_DEV_OUTPUTS", json.dumps(outputs))
    bad = mlops("stage", "check", "dev", "--online")
    assert bad.code == 4
    assert bad.out.startswith("KIND")
    assert ("the compute 'cpu' has another maximum of nodes than the outputs say\n  why: it has 4, they say 5\n"
            "  fix: apply the stage again, and publish its outputs\n") in bad.out
