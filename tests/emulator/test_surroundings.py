"""What stands around a workspace, quota, and what may be said of computes, as Azure's clients ask for it."""

from typing import Any

import pytest

from mlops_lib.emulator import Emulator, Setup
from mlops_lib.emulator.surroundings import BUILT_IN, assign
from mlops_lib.errors import InputError
from mlops_lib.infra import Compute, Datastore

MANAGEMENT = "https://management.azure.com"


def test_every_resource_of_the_outputs_can_be_read_by_its_id(azure: Emulator, wire: Any) -> None:
    outputs = azure.setup.outputs()
    ids = [outputs[key]["id"] for key in ("storage", "vault", "registry", "app_insights")]
    ids += [told["id"] for told in outputs["identities"].values()]
    for key in ids:
        answer = wire("GET", f"{MANAGEMENT}{key}")
        assert (answer.status, answer.json["id"], answer.json["name"]) == (200, key, key.rpartition("/")[2])
    assert wire("GET", f"{MANAGEMENT}{outputs['vault']['id']}x").json["error"]["code"] == "ResourceNotFound"


def test_roles_are_listed_at_a_scope_and_above_it_and_by_whom(azure: Emulator, wire: Any) -> None:
    storage = azure.setup.outputs()["storage"]["id"]
    assign(azure.world, azure.setup.group_id, "p-of-the-group", "Owner")
    assign(azure.world, storage, "p-of-the-storage", "AcrPull")

    def who(scope: str, told: str) -> set[str]:
        found = wire("GET", f"{MANAGEMENT}{scope}/providers/Microsoft.Authorization/roleAssignments?$filter={told}")
        return {item["properties"]["principalId"] for item in found.json["value"]}

    assert {"p-of-the-group", "p-of-the-storage"} <= who(storage, "atScope()")
    assert "p-of-the-storage" not in who(azure.setup.group_id, "atScope()")
    assert who(azure.setup.group_id, "principalId%20eq%20'p-of-the-storage'") == {"p-of-the-storage"}, "below it, too"
    role = f"{MANAGEMENT}/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions"
    assert wire("GET", f"{role}/{BUILT_IN['Owner']}").json["properties"]["roleName"] == "Owner"
    assert wire("GET", f"{role}/nobody").status == 404


def test_cores_in_use_are_those_of_the_nodes_that_there_are(azure: Emulator, wire: Any) -> None:
    location = (f"{MANAGEMENT}/subscriptions/{azure.setup.subscription}/providers/Microsoft.MachineLearningServices/locations/"
                f"{azure.setup.location}")

    def cores(kind: str, name: str) -> tuple[int, int]:
        rows = wire("GET", f"{location}/usages").json["value"]
        [row] = [row for row in rows if row["name"]["value"] == name and kind in row["type"]]
        return row["currentValue"], row["limit"]

    before = cores("dedicatedCores", "standardFSv2Family")
    body = {"location": "x", "properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "STANDARD_F4S_V2"}}}
    assert wire("PUT", "computes/busy", body).status == 201
    assert cores("dedicatedCores", "standardFSv2Family") == (before[0] + 4, 100)
    assert cores("lowPriorityCores", "standardFSv2Family") == (0, -1)
    assert wire("DELETE", "computes/busy").status == 202
    sizes = {size["name"]: size["vCPUs"] for size in wire("GET", f"{location}/vmSizes").json["value"]}
    assert sizes["Standard_DS3_v2"] == 4


@pytest.mark.parametrize(("call", "body"), [
    ("updateIdleShutdownSetting", {"idleTimeBeforeShutdown": "soon"}),
    ("updateIdleShutdownSetting", {}),
    ("updateSchedules", {}),
    ("updateSchedules", {"computeStartStop": [{"action": "Stop", "cron": {}}] * 5}),
    ("updateSchedules", {"computeStartStop": [{"action": "Pause", "cron": {}}]}),
])  # fmt: skip
def test_what_cannot_be_said_of_an_instance_is_refused(wire: Any, call: str, body: Any) -> None:
    told = {"location": "x", "properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "Standard_DS3_v2"}}}
    wire("PUT", "computes/anna", told)
    assert wire("POST", f"computes/anna/{call}", body).status == 400
    assert wire("POST", f"computes/cpu/{call}", body).status == 400, "it is no instance"
    wire("DELETE", "computes/anna")


def test_a_kubernetes_compute_has_a_cluster(wire: Any) -> None:
    body = {"location": "x", "properties": {"computeType": "Kubernetes", "properties": {"namespace": "default"}}}
    assert wire("PUT", "computes/k8s", body).status == 400


def test_a_setup_says_what_is_elsewhere_and_what_is_attached_later() -> None:
    partner = Datastore(type="blob", account="stpartner", container="landing", resource_group="rg-partner")
    aks = Compute(kind="kubernetes", cluster_id="/x/aks", namespace="jobs")
    told = Setup(accounts=("stpartner",), datastores={"partner": partner}, computes={"k8s": aks}).outputs()
    assert (told["datastores"]["partner"]["account"], told["datastores"]["partner"]["resource_group"]) == ("stpartner", "rg-partner")
    assert (told["computes"], told["kubernetes"]["k8s"]["namespace"]) == ({}, "jobs")
    with pytest.raises(InputError, match="which is not there"):
        Setup(datastores={"partner": partner})
