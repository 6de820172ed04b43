"""What azurerm cannot do for a stage, done against the local Azure ML."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.emulator.router import Service
from mlops_lib.emulator.wire import Request, Response
from mlops_lib.engines.azureml.configuring import configure, seconds
from mlops_lib.engines.azureml.inspecting import inspect
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import StageError
from mlops_lib.infra import Compute, PowerSchedule, Stage, read

from .conftest import Mlops
from .stage import ScriptedAzure

AKS = "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/rg-k8s/providers/Microsoft.ContainerService/managedClusters/aks"
EVENING = PowerSchedule(action="stop", cron="0 19 * * 1-5", time_zone="W. Europe Standard Time")
ANNA = Compute(kind="instance", vm_size="Standard_DS3_v2", idle_shutdown="PT1H", schedules={"evening": EVENING})
K8S = Compute(kind="kubernetes", cluster_id=AKS, namespace="jobs", instance_type="small")


@pytest.fixture
def wishes(stage: Stage, azure: ScriptedAzure) -> Stage:
    """A stage that has an instance, as azurerm makes it, and wishes of it and of a Kubernetes cluster."""
    from mlops_lib.emulator.computes import body_of

    azure.world.resources.put(f"{stage.workspace['id']}/computes/anna", body_of(ANNA, stage.location))
    return replace(stage, computes={**stage.computes, "anna": ANNA, "k8s": K8S})


def run(stage: Stage, **options: Any) -> list[str]:
    with Workspace(stage) as workspace:
        return [str(change) for change in configure(workspace, **options)]


def told(azure: ScriptedAzure, stage: Stage, name: str) -> Mapping[str, Any]:
    return azure.world.resources.get(f"{stage.workspace['id']}/computes/{name}").properties


def test_a_stage_becomes_what_its_outputs_wish_and_a_second_time_nothing_changes(wishes: Stage, azure: ScriptedAzure) -> None:
    assert run(wishes) == [
        "anna: stops after 1 h 00 min without work (now: never)",
        "anna: schedules: stop 0 19 * * 1-5 W. Europe Standard Time (now: none)",
        "k8s: attached: aks, namespace jobs",
    ]
    inner = told(azure, wishes, "anna")["properties"]
    assert inner["idleTimeBeforeShutdown"] == "PT1H"
    [schedule] = inner["schedules"]["computeStartStop"]
    assert (schedule["action"], schedule["triggerType"], schedule["status"]) == ("Stop", "Cron", "Enabled")
    assert schedule["cron"] == {"expression": "0 19 * * 1-5", "timeZone": "W. Europe Standard Time"}
    attached = azure.world.resources.get(f"{wishes.workspace['id']}/computes/k8s")
    assert (attached.properties["resourceId"], attached.properties["computeType"]) == (AKS, "Kubernetes")
    assert attached.properties["properties"] == {"namespace": "jobs", "defaultInstanceType": "small"}
    assert list(attached.body["identity"]["userAssignedIdentities"]) == [wishes.identities["jobs"].id]
    azure.calls.clear()
    assert run(wishes) == []
    assert {call.method for call in azure.requests(Service.MANAGEMENT)} == {"GET"}


def test_a_dry_run_says_the_same_and_changes_nothing(wishes: Stage, azure: ScriptedAzure) -> None:
    assert len(run(wishes, dry_run=True)) == 3
    assert {call.method for call in azure.requests(Service.MANAGEMENT)} == {"GET"}
    assert len(run(wishes)) == 3


def test_a_run_on_a_cluster_that_is_not_attached_yet_says_what_attaches_it(wishes: Stage) -> None:
    from mlops_lib.catalogue import Catalogue
    from mlops_lib.engines.azureml.preflight import Named, lacking

    with Workspace(wishes) as workspace:
        catalogue = Catalogue(Path())
        told = lacking(workspace, [Named("compute", "k8s")], catalogue)
        assert [line.partition("; ")[2] for line in told] == ["it is to be attached: mlops stage configure dev"]
        configure(workspace)
        assert lacking(workspace, [Named("compute", "k8s")], catalogue) == []


def test_only_what_differs_is_changed_and_the_same_said_otherwise_is_no_difference(wishes: Stage) -> None:
    run(wishes)
    same = replace(ANNA, idle_shutdown="PT60M", schedules={"other name": replace(EVENING, cron="0  19 * * 1-5")})
    assert run(replace(wishes, computes={"anna": same})) == []
    morning = PowerSchedule(action="start", cron="0 7 * * 1-5")
    more = replace(ANNA, schedules={"evening": EVENING, "morning": morning})
    [change] = run(replace(wishes, computes={"anna": more}))
    assert change == ("anna: schedules: start 0 7 * * 1-5 UTC, stop 0 19 * * 1-5 W. Europe Standard Time "
                      "(now: stop 0 19 * * 1-5 W. Europe Standard Time)")
    [change] = run(replace(wishes, computes={"anna": replace(ANNA, schedules={})}))
    assert change.startswith("anna: schedules: none (now: ")


def test_of_what_nobody_wishes_nothing_is_touched(wishes: Stage) -> None:
    run(wishes)
    silent = replace(ANNA, idle_shutdown=None, schedules=None)
    assert run(replace(wishes, computes={"anna": silent})) == []


def test_a_schedule_that_someone_switched_off_is_set_again(wishes: Stage, azure: ScriptedAzure) -> None:
    run(wishes)
    key = f"{wishes.workspace['id']}/computes/anna"
    body = json.loads(json.dumps(azure.world.resources.get(key).body))
    body["properties"]["properties"]["schedules"]["computeStartStop"][0]["status"] = "Disabled"
    azure.world.resources.put(key, body)
    [change] = run(wishes)
    assert "(disabled, Cron)" in change
    assert run(wishes) == []


@pytest.mark.parametrize(("computes", "why"), [
    ({"bert": ANNA}, "there is no compute instance 'bert'"),
    ({"cpu": ANNA}, "'cpu' is no compute instance but AmlCompute"),
    ({"anna": replace(ANNA, idle_shutdown="PT5M")}, "Azure ML takes 15 minutes to 3 days"),
    ({"anna": replace(ANNA, idle_shutdown="soon")}, "Azure ML takes 15 minutes to 3 days"),
    ({"anna": replace(ANNA, schedules={"x": replace(EVENING, cron="0 25 * * *")})}, "is no cron expression"),
    ({"anna": replace(ANNA, schedules={"x": replace(EVENING, cron="0 1 31 2 *")})}, "never fires"),
    ({"anna": replace(ANNA, schedules={"x": replace(EVENING, time_zone="Europe/Berlin")})}, "no time zone that Windows names"),
    ({"cpu": K8S}, "the compute 'cpu' is another one already"),
])  # fmt: skip
def test_wishes_that_cannot_be_met_are_told_together_and_nothing_is_changed(
    wishes: Stage, azure: ScriptedAzure, computes: Any, why: str
) -> None:
    with pytest.raises(StageError) as caught:
        run(replace(wishes, computes={"k8s": K8S, **computes}))
    assert why in caught.value.why
    assert {call.method for call in azure.requests(Service.MANAGEMENT)} == {"GET"}


def test_a_cluster_that_is_attached_elsewhere_is_not_moved(wishes: Stage) -> None:
    run(wishes)
    with pytest.raises(StageError, match="cannot be configured") as caught:
        run(replace(wishes, computes={"k8s": replace(K8S, namespace="default")}))
    assert "detach it first" in caught.value.why


def test_a_cluster_that_cannot_be_attached_is_told_with_azures_reason_and_tried_again(
    wishes: Stage, azure: ScriptedAzure
) -> None:
    states = ["Creating", "Failed"]

    def slow(request: Request) -> Response | None:
        if request.path.endswith("/computes/k8s") and request.method == "GET":
            return Response(body={"properties": {"provisioningState": states.pop(0), "provisioningErrors": [
                {"error": {"message": "no extension"}}]}})
        return None

    azure.twists.append(slow)
    with pytest.raises(StageError, match="it is failed") as caught:
        run(replace(wishes, computes={"k8s": K8S}))
    assert caught.value.why == "no extension"
    azure.twists.clear()
    azure.world.resources.put(f"{wishes.workspace['id']}/computes/k8s", {"properties": {"provisioningState": "Failed"}})
    assert run(replace(wishes, computes={"k8s": K8S})) == ["k8s: attached: aks, namespace jobs"]


def test_a_change_that_fails_keeps_no_other_from_being_made(wishes: Stage, azure: ScriptedAzure) -> None:
    azure.faults.add("POST */computes/anna/updateIdleShutdownSetting status=403 code=AuthorizationFailed message='not you'")
    made: list[str] = []
    with pytest.raises(StageError, match="could not say when the compute instance 'anna' stops") as caught:
        run(wishes, done=lambda change: made.append(str(change)))
    assert "'AzureML Compute Operator'" in caught.value.fix
    assert [line.partition(":")[0] for line in made] == ["anna", "k8s"]
    assert run(wishes, dry_run=True) == ["anna: stops after 1 h 00 min without work (now: never)"]
    azure.world.resources.delete(f"{wishes.workspace['id']}/computes/k8s")
    azure.faults.add("PUT */computes/k8s status=400 code=UserError message='no extension'")
    with pytest.raises(StageError, match="2 of 2 changes failed") as caught:
        run(wishes)
    assert "could not say when the compute instance 'anna' stops: not you (HTTP 403" in caught.value.why
    assert "could not attach the Kubernetes cluster as compute 'k8s': no extension (HTTP 400" in caught.value.why


def test_a_check_tells_what_is_not_configured(wishes: Stage) -> None:
    with Workspace(wishes) as workspace:
        lacks = {lack.what: lack for lack in inspect(workspace).lacks}
    assert set(lacks) == {"the compute 'anna' is not configured as the outputs wish",
                          "the compute 'k8s' is not configured as the outputs wish"}
    assert {lack.fix for lack in lacks.values()} == {"mlops stage configure dev"}
    run(wishes)
    with Workspace(wishes) as workspace:
        assert inspect(workspace).lacks == ()


@pytest.mark.parametrize(("span", "length"), [
    ("PT15M", 900), ("P1DT2H", 93_600), ("PT1H30M5S", 5405), ("P", None), ("PT", None), ("P1DT", None), ("1H", None)])
def test_durations_are_read(span: str, length: int | None) -> None:
    assert seconds(span) == length


def test_the_wishes_come_from_the_outputs_contract(stage: Stage) -> None:
    outputs = json.loads(json.dumps(stage.outputs))
    outputs["computes"]["anna"] = {"kind": "instance", "vm_size": "Standard_DS3_v2", "idle_shutdown": "PT30M", "schedules": {
        "evening": {"action": "stop", "cron": "0 19 * * *", "time_zone": "UTC"}}}
    outputs["kubernetes"] = {"k8s": {"cluster_id": AKS, "namespace": "jobs", "instance_type": None}}
    found = read(outputs, "x")
    assert found.computes["anna"].schedules == {"evening": PowerSchedule(action="stop", cron="0 19 * * *")}
    assert found.computes["k8s"] == replace(K8S, instance_type=None)
    outputs["computes"]["anna"]["schedules"]["evening"]["action"] = "pause"
    outputs["computes"]["anna"]["idle_shutdown"] = 30
    outputs["kubernetes"]["k8s"]["namespace"] = None
    with pytest.raises(StageError) as caught:
        read(outputs, "x")
    for field in ("computes.anna.schedules.evening.action", "computes.anna.idle_shutdown", "kubernetes.k8s.namespace"):
        assert field in str(caught.value)


def test_the_command_says_what_it_changed(stage: Stage, mlops: Mlops, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = json.loads(os.environ["MLOPS_DEV_OUTPUTS"])
    outputs["kubernetes"] = {"k8s": {"cluster_id": AKS, "namespace": "jobs", "instance_type": None}}
    monkeypatch.setenv("MLOPS_DEV_OUTPUTS", json.dumps(outputs))
    attached = "k8s: attached: aks, namespace jobs"
    assert mlops("stage", "configure", "dev", "--dry-run") == (0, f"would change {attached}\n", "")
    assert mlops("stage", "configure", "dev") == (0, f"changed {attached}\n", "")
    assert mlops("stage", "configure", "dev") == (0, "", "stage 'dev' is as its outputs wish: nothing to change\n")
    assert json.loads(mlops("stage", "configure", "dev", "--json").out)["changes"] == []
