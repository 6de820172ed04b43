"""Deployments of online endpoints: they take over in steps, and are taken back when they are not fit."""

import contextlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobLeaseClient

from mlops_lib.emulator.wire import Request, Response
from mlops_lib.engines.azureml.blobs import Blobs
from mlops_lib.engines.azureml.endpoint import _asked_for
from mlops_lib.engines.azureml.online import OnlineEndpoint
from mlops_lib.engines.azureml.registry import WorkspaceModels
from mlops_lib.engines.azureml.transport import Patience
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import InputError, JobError, StageError
from mlops_lib.infra import Stage
from mlops_lib.serving.deployment import Deployment, Wish
from mlops_lib.serving.rollout import Outcome, plan, roll_back, roll_out
from mlops_lib.stores.models import ModelVersion
from mlops_lib.stores.stages import digest_of

from .killing import Doomed

GOOD = """\
import os
asked = 0
def init(): pass
def run(data):
    global asked
    asked += 1
    BODY
    return {"predictions": [1.0], "model": os.environ["MLOPS_MODEL"]}
"""
SCRIPTS = {
    "good": GOOD.replace("BODY", "pass"),
    "broken init": "def init():\n    raise RuntimeError('no weights here')\ndef run(data): pass\n",
    "fails": GOOD.replace("BODY", "raise RuntimeError('boom')"),
    "tires": GOOD.replace("BODY", "if asked > 4: raise RuntimeError('tired')"),
    "wrong": GOOD.replace('os.environ["MLOPS_MODEL"]', '"flights:99"').replace("BODY", "pass"),
    "silent": "def init(): pass\ndef run(data): return [1.0]\n",
}
FAST = {"watch": 0.0, "start": 60.0}


def described(name: str, model: str, script: str) -> dict[str, Any]:
    return {"name": name, "key": name, "model": model, "sample": {"data": []}, "conda": {"dependencies": ["python=3.11"]},
            "files": {"score.py": script.encode(), "sample.json": b'{"data": []}'}, "variables": {"MLOPS_MODEL": model}}


class Shop:
    """An endpoint of its own, and deployments to it whose scripts do as their names say."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.workspace, self.name = workspace, workspace.stage.endpoints["online"]
        self.endpoint = OnlineEndpoint(workspace, self.name)
        self.said: list[str] = []
        (folder / "m").mkdir()
        (folder / "m/weights").write_text("1")
        version = ModelVersion(name="flights", version="", type="custom_model", digest=digest_of(folder / "m"), created=0)
        for _ in range(3):
            WorkspaceModels(workspace).write(version, [("weights", io.BytesIO(b"1"))], {})

    def make(self, version: int, script: str = "good") -> Deployment:
        return Deployment(**described(f"m{version}-{script.replace(' ', '-')}", f"flights:{version}", SCRIPTS[script]))

    def deploy(self, version: int, script: str = "good", say: Callable[[str], None] | None = None, **wishes: Any) -> Outcome:
        self.said = []
        wish = Wish(endpoint=self.name, **{"instance_type": "Standard_DS3_v2", **FAST, **wishes})
        return roll_out(self.workspace, self.make(version, script), wish, say or self.said.append)

    def back(self) -> Outcome:
        return roll_back(self.workspace, self.name, "flights", self.said.append)

    @property
    def traffic(self) -> Mapping[str, int]:
        return self.endpoint.traffic()

    @property
    def deployments(self) -> list[str]:
        return sorted(str(told["name"]) for told in self.endpoint.deployments())


@pytest.fixture
def shop(stage: Stage, tmp_path: Path) -> Iterator[Shop]:
    with Workspace(stage) as workspace:
        yield Shop(workspace, tmp_path)


def test_a_deployment_takes_over_in_steps_and_the_one_before_stays_for_a_rollback(shop: Shop) -> None:
    first = shop.deploy(1)
    assert (first.changed, first.traffic, first.model) == (True, {"m1-good": 100}, "flights:1")
    assert first.address.startswith("https://")
    shop.deploy(2)
    assert [line for line in shop.said if "%" in line] == [f"m2-good has {share} % of the traffic" for share in (10, 50, 100)]
    assert (shop.traffic, shop.deployments) == ({"m2-good": 100}, ["m1-good", "m2-good"])
    third = shop.deploy(3, steps=(100,))
    assert third.removed == ("m1-good",)
    assert shop.deployments == ["m2-good", "m3-good"]
    assert shop.endpoint.ask({"data": []}).json["model"] == "flights:3"

    assert shop.back().model == "flights:2"
    assert shop.traffic == {"m2-good": 100}
    with pytest.raises(InputError, match="nothing that was before 'm2-good' is on"):
        shop.back()
    again = shop.deploy(3)
    assert "starting" not in "".join(shop.said)
    assert again.traffic == {"m3-good": 100}
    assert shop.back().model == "flights:2"


def test_an_identity_is_written_without_what_azure_says_of_it() -> None:
    found = {"type": "UserAssigned", "principalId": None, "userAssignedIdentities": {"/jobs": {"principalId": "p", "clientId": "c"}}}
    assert _asked_for(found) == {"type": "UserAssigned", "userAssignedIdentities": {"/jobs": {}}}


def test_what_is_deployed_already_is_left_alone(shop: Shop, azure: Any) -> None:
    shop.deploy(1)
    azure.calls.clear()
    again = shop.deploy(1)
    assert (again.changed, again.traffic) == (False, {"m1-good": 100})
    assert {call.method for call in azure.calls} == {"GET"}


UNFIT = [
    ("broken init", "it did not come up", "RuntimeError: no weights here"),
    ("fails", "it does not answer the sample request", "status 500"),
    ("tires", "it does not answer the sample request", "status 500"),
    ("wrong", "it serves another model", "it says that it is flights:99"),
    ("silent", "it does not answer the sample request", "status 200"),
]


def test_one_that_is_not_fit_is_taken_back(shop: Shop) -> None:
    shop.deploy(1)
    for script, what, why in UNFIT:
        with pytest.raises(JobError) as caught:
            shop.deploy(2, script)
        assert caught.value.what == f"flights:2 was not deployed to {shop.name!r}: {what}"
        assert why in caught.value.why
        assert (shop.traffic, shop.deployments) == ({"m1-good": 100}, ["m1-good"])
        assert ("the traffic is as it was" in shop.said) == (script == "tires")
        if script in ("broken init", "fails"):
            assert any("no weights here" in line or "boom" in line for line in shop.said), "its log is shown"


def test_requests_of_others_that_fail_take_it_back_too(shop: Shop) -> None:
    """Its own probes are answered; what others send makes it fail."""
    shop.deploy(1)
    text = SCRIPTS["good"].replace("pass\n    return", "if 'crash' in data: raise RuntimeError('boom')\n    return")
    SCRIPTS["moody"] = text

    def others(line: str) -> None:
        shop.said.append(line)
        if "10 %" in line:
            for _ in range(5):
                shop.endpoint.ask({"crash": 1}, "m2-moody")

    with pytest.raises(JobError, match=r"\d of \d+ requests failed"):
        shop.deploy(2, "moody", others)
    assert shop.traffic == {"m1-good": 100}
    assert shop.deploy(2, "moody", errors=0.5).changed


def test_one_that_failed_may_be_kept(shop: Shop) -> None:
    with pytest.raises(JobError, match="is kept, without traffic"):
        shop.deploy(1, "fails", keep=True)
    assert (shop.traffic, shop.deployments) == ({}, ["m1-fails"])
    assert shop.deploy(2).traffic == {"m2-good": 100}


class Killed(BaseException):
    """The process is gone."""


def test_a_rollout_that_was_killed_goes_on_or_is_taken_back(shop: Shop) -> None:
    shop.deploy(1)
    seen: list[str] = []
    while True:
        count = len(seen)

        def killed(line: str, count: int = count) -> None:
            if line not in seen:
                seen.append(line)
            if len(seen) > count:
                raise Killed

        try:
            shop.deploy(2, say=killed)
        except Killed:
            continue
        break
    assert [line.rpartition(" has ")[2] for line in seen if "%" in line] == [
        "10 % of the traffic", "50 % of the traffic", "100 % of the traffic",
    ]  # fmt: skip
    assert shop.deploy(2).changed is False
    assert shop.back().model == "flights:1", "what was before is known, wherever it was killed"

    def killed_at_half(line: str) -> None:
        if "50 %" in line:
            raise Killed

    with pytest.raises(Killed):
        shop.deploy(2, say=killed_at_half)
    assert shop.traffic == {"m1-good": 50, "m2-good": 50}
    assert shop.back().traffic == {"m1-good": 100}
    with pytest.raises(Killed):
        shop.deploy(3, "tires", killed_at_half, errors=1.0)
    assert shop.traffic == {"m1-good": 50, "m3-tires": 50}
    with pytest.raises(JobError):
        shop.deploy(3, "tires")
    assert (shop.traffic, "m3-tires" in shop.deployments) == ({"m1-good": 100}, False)


def test_of_two_deployments_at_once_one_goes_on_and_the_other_is_told(shop: Shop) -> None:
    shop.deploy(1)
    told: list[str] = []

    def another(line: str) -> None:
        if "50 %" in line:
            for act in (lambda: shop.deploy(3), shop.back):
                with pytest.raises(StageError, match=f"another deployment to '{shop.name}' is at work") as caught:
                    act()
                told.append(caught.value.fix)
            assert shop.traffic == {"m1-good": 50, "m2-good": 50}

    assert shop.deploy(2, say=another).traffic == {"m2-good": 100}
    assert (len(told), "in the way for a minute" in told[0]) == (2, True)
    assert shop.deployments == ["m1-good", "m2-good"]
    assert shop.deploy(3).traffic == {"m3-good": 100}, "it is free again"


def test_one_that_slept_until_another_took_over_changes_nothing_more(shop: Shop) -> None:
    """Nobody renews the claim for a minute, as on a laptop that was closed."""
    shop.deploy(1)

    def sleeps(line: str) -> None:
        if "10 %" in line:
            claim = Blobs(shop.workspace)._client.get_blob_client(f"mlops/claims/endpoints/{shop.name}")
            BlobLeaseClient(claim).break_lease(lease_break_period=0)
            shop.deploy(3)

    with pytest.raises(StageError, match="is at work"):
        shop.deploy(2, say=sleeps)
    assert shop.traffic == {"m3-good": 100}


def test_a_plan_says_what_would_be_done_and_does_nothing(shop: Shop, azure: Any) -> None:
    wish = Wish(endpoint=shop.name, **FAST)
    assert plan(shop.workspace, shop.make(1), wish) == [
        f"make the endpoint {shop.name} (aad_token)", "start the deployment m1-good of flights:1, with no traffic",
        "send it the sample request", "give it 100 % of the traffic",
    ]  # fmt: skip
    assert shop.endpoint.read() is None
    shop.deploy(1)
    assert plan(shop.workspace, shop.make(1), wish) == []
    assert plan(shop.workspace, shop.make(2), wish)[-3:] == [f"give it {share} % of the traffic" for share in (10, 50, 100)]


def test_clients_may_sign_in_with_a_key(shop: Shop) -> None:
    assert shop.deploy(1, auth="key").changed
    assert shop.endpoint.ask({"data": []}).status == 200
    with pytest.raises(InputError, match="lets in by key, and not by aad_token"):
        shop.deploy(2)


def test_a_compute_is_a_kubernetes_cluster_of_the_workspace(shop: Shop) -> None:
    with pytest.raises(StageError, match="has no Kubernetes compute 'arc'") as caught:
        shop.deploy(1, compute="arc")
    assert caught.value.why == "there is no such compute"
    with pytest.raises(StageError, match="has no Kubernetes compute 'cpu'"):
        shop.deploy(1, compute="cpu")
    shop.workspace.put("computes/arc", {"location": "westeurope", "properties": {
        "computeType": "Kubernetes", "resourceId": "/k", "properties": {"namespace": "default"}}}, doing="attach a cluster")
    assert shop.deploy(1, compute="arc", instance_type="", workers=3).changed
    properties = (shop.endpoint.deployment("m1-good") or {})["properties"]
    assert (properties["endpointComputeType"], properties.get("instanceType")) == ("Kubernetes", None)
    assert properties["requestSettings"]["maxConcurrentRequestsPerInstance"] == 3
    assert (shop.endpoint.read() or {})["properties"]["compute"].endswith("/computes/arc")
    with pytest.raises(InputError, match="is on Kubernetes"):
        shop.deploy(2)


def test_only_what_is_served_can_be_rolled_back(shop: Shop) -> None:
    with pytest.raises(StageError, match="has no endpoint"):
        shop.back()
    shop.deploy(1)
    with pytest.raises(InputError, match="nothing that was before 'm1-good' is on"):
        shop.back()
    with pytest.raises(InputError, match="does not serve 'delays'"):
        roll_back(shop.workspace, shop.name, "delays", shop.said.append)


def test_an_endpoint_may_take_longer_than_other_things(stage: Stage, azure: Any) -> None:
    looks: list[str] = []

    def slow(request: Request) -> Response | None:
        *_, kind, _ = request.path.split("/")
        if not kind.startswith("mfeOperation") or looks.count(kind) == 3:
            return None
        looks.append(kind)
        told = {"retry-after-ms": "100"}
        return Response(body={"status": "InProgress"}, headers=told) if "Status" in kind else Response(status=202, headers=told)

    azure.twists.append(slow)
    with Workspace(stage) as workspace, Workspace(stage, patience=Patience(call=0.1)) as hasty:
        endpoint = OnlineEndpoint(hasty, "slow-endpoint")
        endpoint.make(auth="key", tags={}, compute=None, public=True)
        found = OnlineEndpoint(workspace, "slow-endpoint").read()
        assert found is not None
        assert found["properties"]["authMode"] == "Key"
        azure.world.resources.put(f"{workspace.path}/onlineEndpoints/slow-endpoint/deployments/one", {"properties": {}})
        endpoint.remove("one")
        assert OnlineEndpoint(workspace, "slow-endpoint").deployments() == []
    assert looks == ["mfeOperationsStatus"] * 3 + ["mfeOperationResults"] * 3


# --- crashes ---------------------------------------------------------------------------------------------------------

ATTEMPT = """
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.infra import read
from mlops_lib.serving.deployment import Deployment, Wish
from mlops_lib.serving.rollout import roll_back, roll_out

stage, endpoint = read(json.loads(given[0]), "the test"), given[1]

def attempt(told):
    with Workspace(stage) as workspace:
        if told is None:
            roll_back(workspace, endpoint, "flights", str)
        else:
            told["files"] = {name: text.encode() for name, text in told["files"].items()}
            wish = Wish(endpoint=endpoint, instance_type="Standard_DS3_v2", watch=0.0, start=60.0, steps=(50, 100))
            roll_out(workspace, Deployment(**told), wish, str)
"""

# What is about to be sent when the process dies, the how manieth of its form it is, the share that the new one has then, and what
# is done next: the same again, or another deployment.
ROLLOUT = (
    ("the endpoint is made", "PUT */onlineEndpoints/ENDPOINT[?]*", 1, 0, "nothing"),
    ("it is written down that the first one is it, and another one is wanted", "PUT */onlineEndpoints/ENDPOINT[?]*", 3, 100, "other"),
    ("code is written", "PUT */sample.json*", 1, 0, "same"),
    ("the code is registered", "PUT */codes/*", 1, 0, "other"),
    ("the deployment is made", "PUT */deployments/NEW[?]*", 1, 0, "same"),
    ("the deployment is being started", "GET */mfeOperationsStatus/*", 1, 0, "same"),
    ("the deployment is being started, and another one is wanted", "GET */mfeOperationsStatus/*", 1, 0, "other"),
    ("the sample is sent", "POST /score*", 1, 0, "other"),
    ("it has half of the traffic", "POST /score*", 2, 50, "same"),
    ("it has half of the traffic, and another one is wanted", "POST */deployments/NEW/getLogs*", 1, 50, "other"),
    ("it gets all the traffic", "PUT */onlineEndpoints/ENDPOINT[?]*", 2, 50, "same"),
    ("it is written down that this is it", "PUT */onlineEndpoints/ENDPOINT[?]*", 3, 100, "same"),
    ("it is written down that this is it, and another one is wanted", "PUT */onlineEndpoints/ENDPOINT[?]*", 3, 100, "other"),
    ("the old ones are looked for", "GET */onlineEndpoints/ENDPOINT/deployments[?]*", 1, 100, "same"),
    ("an old one is deleted", "DELETE */deployments/*", 1, 100, "same"),
    ("the claim is given back", "PUT */claims/endpoints/ENDPOINT[?]comp=lease*x-ms-lease-action: release*", 1, 100, "same"),
)  # fmt: skip


def expire(shop: Shop) -> None:
    """A minute goes by in which nobody renews the claim."""
    with contextlib.suppress(ResourceExistsError):  # nobody has it
        claim = Blobs(shop.workspace)._client.get_blob_client(f"mlops/claims/endpoints/{shop.name}")
        BlobLeaseClient(claim).break_lease(lease_break_period=0)


class Row(NamedTuple):
    """A deployment as a child gets it."""

    name: str
    told: dict[str, Any]

    @property
    def text(self) -> dict[str, Any]:
        return {**self.told, "files": {name: content.decode() for name, content in self.told["files"].items()}}


def row(number: int, script: str = "good") -> Row:
    """One whose code and environment nobody else has."""
    name = f"m{number + 100}"
    told = described(name, f"flights:{number % 3 + 1}", f"# {number}\n{SCRIPTS[script]}")
    return Row(name, told)


@pytest.fixture
def doomed(shop: Shop, azure: Any) -> Iterator[Doomed]:
    with Doomed(ATTEMPT, json.dumps({**azure.setup.outputs(shop.workspace.name), "stage": "dev"}), shop.name) as child:
        yield child


def test_wherever_a_rollout_is_killed_requests_are_answered_and_the_next_one_leaves_no_orphan(shop: Shop, doomed: Doomed) -> None:
    wish = Wish(endpoint=shop.name, instance_type="Standard_DS3_v2", steps=(50, 100), **FAST)
    served: list[str] = []  # the deployments that have taken over to the end, the latest last
    for number, (what, pattern, nth, share, then) in enumerate(ROLLOUT):
        new = row(2 * number)
        assert doomed.attempt(pattern.replace("ENDPOINT", shop.name).replace("NEW", new.name), nth, new.text) == "killed", what
        expire(shop)
        if traffic := shop.traffic:
            assert sum(traffic.values()) == 100, what
            assert [shop.endpoint.ask({"data": []}).status for _ in range(2)] == [200] * 2, what
        assert traffic.get(new.name, 0) == share, what
        if share == 100 and (then == "same" or not served):
            served.append(new.name)
        if then == "nothing":
            continue
        wanted = new if then == "same" else row(2 * number + 1)
        done = roll_out(shop.workspace, Deployment(**wanted.told), wish, shop.said.append)
        served += [wanted.name] if served[-1:] != [wanted.name] else []
        assert shop.traffic == done.traffic == {wanted.name: 100}, what
        assert shop.deployments == sorted(served[-2:]), what
        assert plan(shop.workspace, Deployment(**wanted.told), wish) == [], what
    assert roll_back(shop.workspace, shop.name, "flights", shop.said.append).deployment == served[-2]


def test_wherever_one_is_killed_that_goes_back_it_is_gone_back_to_what_was_before(shop: Shop, doomed: Doomed) -> None:
    shop.deploy(1)
    endpoint = f"PUT */onlineEndpoints/{shop.name}[?]*"
    for number, (pattern, nth, traffic) in enumerate(((endpoint, 3, "new"), ("DELETE */deployments/*", 1, "old"))):
        tired = row(number, "tires")
        wish = Wish(endpoint=shop.name, instance_type="Standard_DS3_v2", steps=(50, 100), **FAST)
        assert doomed.attempt(pattern, nth, tired.text) == "killed"
        expire(shop)
        assert shop.traffic == {tired.name if traffic == "new" else "m1-good": 100}
        if traffic == "new":
            with pytest.raises(JobError, match="the sample request"):
                roll_out(shop.workspace, Deployment(**tired.told), wish, shop.said.append)
        else:
            assert plan(shop.workspace, shop.make(1), wish) == [f"delete {tired.name}, which has no traffic"]
            assert shop.deploy(1).removed == (tired.name,)
        assert (shop.traffic, shop.deployments) == ({"m1-good": 100}, ["m1-good"])
    shop.deploy(2)
    for pattern, served in ((endpoint, "m2-good"), ("PUT */claims/endpoints/*release*", "m1-good")):
        assert doomed.attempt(pattern, 1, None) == "killed"
        expire(shop)
        assert shop.traffic == {served: 100}
    assert shop.deployments == ["m1-good", "m2-good"]
    assert shop.deploy(1).removed == ("m2-good",)


def test_one_that_is_being_deleted_is_waited_for(shop: Shop, azure: Any) -> None:
    shop.deploy(1)
    shown = [Response(body={"name": "m2-good", "properties": {"provisioningState": "Deleting"}})]
    azure.twists.append(lambda request: shown.pop() if shown and request.path.endswith("/deployments/m2-good") else None)
    assert shop.deploy(2).traffic == {"m2-good": 100}
    assert "waiting for m2-good, which is deleting" in shop.said
