"""Models of workspaces, over HTTPS and in real blob storage; every crash is a real one."""

import contextlib
import dataclasses
import io
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from mlops_lib.emulator import Fault
from mlops_lib.emulator.setup import container
from mlops_lib.emulator.wire import Response
from mlops_lib.engines.azureml.registry import WorkspaceModels
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import InputError, Refused, StageError
from mlops_lib.evidence import DataFacts, Evidence
from mlops_lib.gate import Gate
from mlops_lib.infra import Stage, read
from mlops_lib.promote import Decision
from mlops_lib.promotions import Request, promote, read_lineage, read_signature, refresh, rollback
from mlops_lib.stores.models import Models, ModelVersion, Repointed, champion_of, find_version
from mlops_lib.stores.stages import StageModels, digest_of
from mlops_lib.sweep import Goal

from .killing import Doomed
from .stage import ScriptedAzure

DATA = DataFacts(digest="sha256:1", rows=10)
REQUEST = Request(
    gate=Gate(metric="loss", goal=Goal.MINIMIZE), gate_file="gates/g.yml", gate_text=b"objective: x\n", actor="ann",
    approved_by=None, approval="none", at="2026-11-26T10:00:00+00:00")
SIGNATURE = """signature: {inputs: '[{"type": "long", "name": "a"}]', outputs: '[{"type": "double"}]'}\n"""


class Place:
    """Models on this machine, which a test makes, and the workspace of a stage; a model's file has its loss."""

    def __init__(self, folder: Path, open_: Callable[[str], WorkspaceModels]) -> None:
        self.folder, self._open = folder, open_
        self.here = StageModels(folder / ".mlops", "here")
        self.target = open_("dev")
        self.losses: dict[str, float] = {}

    def open(self, stage: str) -> WorkspaceModels:
        return self._open(stage)

    def make(self, loss: float, *, size: int = 0, **tags: str) -> ModelVersion:
        made = self.folder / "made"
        (made / "data").mkdir(parents=True, exist_ok=True)
        (made / "MLmodel").write_text(SIGNATURE)
        (made / "data/loss").write_text(str(loss))
        names = ["MLmodel", "data/loss"]
        if size:
            (made / "large").write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
            names.append("large")
        version = ModelVersion(name="shop", version="", type="mlflow_model", digest=digest_of(made), created=0, tags=tags)
        self.losses[version.digest] = loss
        return self.here.write(version, ((name, io.BytesIO((made / name).read_bytes())) for name in names), {})

    def known(self, version: ModelVersion, champion: ModelVersion | None) -> tuple[Evidence, Evidence | None]:
        def told(found: ModelVersion) -> Evidence:
            return Evidence(model=str(found), digest=found.digest, data=DATA, metrics={"loss": self.losses[found.digest]})

        return told(version), told(champion) if champion else None

    def promote(self, version: ModelVersion, source: Models | None = None, target: WorkspaceModels | None = None,
                request: Request = REQUEST) -> tuple[Decision, ModelVersion | None]:
        return promote(source or self.here, version, target or self.target, request, self.known)

    def champions(self, target: WorkspaceModels | None = None) -> list[str]:
        """The versions with the champion's tag, the champion first."""
        found = [version for version in (target or self.target).versions("shop") if version.tags.get("deployment") == "champion"]
        return [version.version for version in sorted(found, key=lambda version: -int(version.tags["promotion"]))]


@pytest.fixture
def open_stage(azure: ScriptedAzure) -> Iterator[Callable[[str], WorkspaceModels]]:
    """Opens the registry of a stage, each in a workspace of its own."""
    workspaces: list[Workspace] = []
    stages: dict[str, Stage] = {}

    def open_(name: str) -> WorkspaceModels:
        if name not in stages:
            stages[name] = read({**azure.own_workspace(), "stage": name}, "the test")
        workspaces.append(Workspace(stages[name]))
        return WorkspaceModels(workspaces[-1])

    yield open_
    for workspace in workspaces:
        workspace.__exit__()


@pytest.fixture
def place(tmp_path: Path, open_stage: Callable[[str], WorkspaceModels]) -> Iterator[Place]:
    yield Place(tmp_path, open_stage)
    for parent, _, _ in os.walk(tmp_path):  # what is promoted is read-only
        os.chmod(parent, 0o755)


def test_a_promotion_from_this_machine_and_on_to_the_next_workspace_brings_all_along(place: Place) -> None:
    version = place.make(0.5, size=(4 << 20) + 1, owner="me")
    decision, stored = place.promote(version, request=dataclasses.replace(REQUEST, approved_by="bob", approval="other"))
    assert decision.passed
    assert stored is not None
    dev, qa = place.open("dev"), place.open("qa")
    assert champion_of(dev, "shop") == stored
    assert (stored.version, stored.digest, stored.type) == ("1", version.digest, "mlflow_model")
    assert stored.tags == {"owner": "me", "deployment": "champion", "promotion": "1", "promoted_by": "ann",
                           "promoted_at": REQUEST.at, "approved_by": "bob"}
    assert [(file.name, file.size) for file in dev.files(stored)] == [("MLmodel", len(SIGNATURE)), ("data/loss", 3), ("large", (4 << 20) + 1)]
    assert json.loads(dev.note(stored, "decision.json") or b"")["passed"] is True
    assert dev.note(stored, "gate.yml") == REQUEST.gate_text
    assert dev.names() == ["shop"]
    _, last = place.promote(stored, source=dev, target=qa)
    assert last is not None
    assert qa.measured(dataclasses.replace(last, digest="")).digest == version.digest
    assert [(step["from"], step["to"]) for step in read_lineage(qa, last)["promotions"]] == [("here/shop:1", "dev"), ("dev/shop:1", "qa")]
    signature = read_signature(qa, last)
    assert signature is not None
    assert (signature.inputs, signature.outputs) == ({"a": "long"}, {"0": "double"})


def state(azure: ScriptedAzure, models: WorkspaceModels) -> Any:
    """All that a stage has: its models, and their files with what changes when they do."""
    workspace = models._workspace
    rows = [(row.id, row.etag) for row in azure.world.resources.below(f"{workspace.path}/models")]
    blobs = azure.world.account.list(container(workspace.name, "workspaceblobstore"))
    return rows, [blob for blob in blobs if not blob.path.startswith("mlops/claims/")]


def test_what_must_not_pass_is_refused_and_changes_nothing(place: Place, azure: ScriptedAzure) -> None:
    _, good = place.promote(place.make(0.5))
    assert good is not None
    qa = place.open("qa")
    place.promote(good, source=place.target, target=qa)
    before = state(azure, qa)

    def refusal(loss: float, of: Callable[[Evidence], Evidence] = lambda evidence: evidence,
                champion: Callable[[Evidence], Evidence] = lambda evidence: evidence) -> list[str]:
        def known(version: ModelVersion, current: ModelVersion | None) -> tuple[Evidence, Evidence | None]:
            ours, theirs = place.known(version, current)
            return of(ours), champion(theirs) if theirs is not None else None

        decision, stored = promote(place.here, place.make(loss), qa, REQUEST, known)
        assert stored is None
        assert state(azure, qa) == before
        return [check.name for check in decision.checks if not check.passed]

    assert refusal(0.6) == ["improvement"], "worse"
    assert refusal(0.5) == ["improvement"], "equal"
    assert refusal(math.nan) == ["metrics", "improvement"]
    assert refusal(0.1, lambda evidence: dataclasses.replace(evidence, metrics={})) == ["metrics", "improvement"]
    other = dataclasses.replace(DATA, digest="sha256:2")
    assert refusal(0.2, lambda evidence: dataclasses.replace(evidence, data=other)) == ["same data"]
    assert refusal(0.15, champion=lambda evidence: Evidence(model="old", digest=evidence.digest)) == ["same data", "improvement"]
    assert refusal(0.12, champion=lambda evidence: dataclasses.replace(evidence, metrics={"loss": math.inf})) == ["improvement"]

    better = place.make(0.3)
    _, stored = place.promote(better)
    assert stored is not None
    place.target._blobs().write(place.target._place(stored)[1] + "/data/loss", b"0.1")
    with pytest.raises(Refused, match="the bytes of shop:2 in dev are not what they were when it was made"):
        place.promote(stored, source=place.target, target=qa)
    assert [row for row, _ in state(azure, qa)[0]] == [row for row, _ in before[0]]
    with pytest.raises(Refused, match="that arrived in qa are not those that were sent"):
        qa.write(better, [("MLmodel", io.BytesIO(b"other"))], {})
    assert [row for row, _ in state(azure, qa)[0]] == [row for row, _ in before[0]]
    assert place.champions(qa) == ["1"]


def test_champions_follow_each_other_and_a_rollback_goes_back(place: Place) -> None:
    for loss in (0.5, 0.4, 0.3):
        assert place.promote(place.make(loss))[1] is not None
    tags = [version.tags for version in place.target.versions("shop")]
    assert [(tag.get("promotion"), tag.get("replaces"), tag.get("deployment")) for tag in tags] == [
        ("3", "2", "champion"), ("2", "1", None), ("1", None, None)]
    now, before = rollback(place.target, "shop", actor="eve", at="later")
    assert (now.version, before.version, place.champions()) == ("2", "3", ["2"])
    assert {tag: now.tags[tag] for tag in ("promotion", "promoted_by", "rollback_of", "replaces")} == {
        "promotion": "4", "promoted_by": "eve", "rollback_of": "3", "replaces": "1"}


def test_what_jobs_have_registered_is_measured_by_its_bytes_and_promoted(place: Place, azure: ScriptedAzure) -> None:
    dev = place.target
    version = place.make(0.5)
    path = f"{dev._workspace.path}/models/shop"
    blobs = dev._blobs()
    for file in place.here.files(version):
        with place.here.open(version, file.name) as stream:
            blobs.upload(f"azureml/job-7/best/{file.name}", stream)
    azure.world.resources.put(path, {"properties": {}})
    common = {"tags": {"team": "a"}, "properties": {}, "isArchived": False, "jobName": "job-7"}
    azure.world.resources.put(f"{path}/versions/1", {"properties": {
        **common, "modelUri": f"{blobs.uri}azureml/job-7/best/", "modelType": "MLFlowModel"}})
    azure.world.resources.put(f"{path}/versions/2", {"properties": {
        **common, "modelUri": f"{blobs.uri}azureml/job-7/best/MLmodel", "modelType": "CustomModel", "isArchived": True}})
    [found] = dev.versions("shop")
    assert (found.digest, found.type, dev.measured(found).digest) == ("", "mlflow_model", version.digest)
    _, stored = place.promote(found, source=dev)
    assert stored is not None
    assert (stored.version, stored.digest, stored.tags["team"]) == ("3", version.digest, "a"), "the number of an archived one is taken"
    assert read_lineage(dev, found)["origin"]["workspace"] == dev._workspace.path
    azure.jobs["job-7"] = {"properties": {
        "displayName": "train", "experimentName": "shop", "componentId": "c:1", "environmentId": "e:2",
        "inputs": {"rows": {"jobInputType": "uri_folder", "uri": "azureml:rows:4"}, "rate": {"jobInputType": "literal", "value": "1"}},
        "properties": {"mlflow.source.git.commit": "abc"}}}
    origin = read_lineage(dev, found)["origin"]
    assert {key: origin[key] for key in ("step", "git_commit", "code", "environment", "data")} == {
        "step": "train", "git_commit": "abc", "code": "c:1", "environment": "e:2",
        "data": {"rows": {"digest": None, "asset": "azureml:rows:4"}}}
    lineage = read_lineage(dev, stored)
    assert (lineage["origin"]["run"], lineage["promotions"][0]["from"]) == ("job-7", "dev/shop:1")
    assert [file.name for file in dev.files(dataclasses.replace(found, version="2"))] == ["MLmodel"]
    azure.world.resources.put(f"{path}/versions/9", {"properties": {**common, "modelUri": "azureml://jobs/x/outputs/y", "modelType": "z"}})
    with pytest.raises(InputError, match="the bytes of shop:9 in dev cannot be found"):
        dev.measured(find_version(dev, "shop", "9"))
    azure.world.resources.put(f"{path}/versions/9", {"properties": {**common, "modelUri": f"{blobs.uri}gone", "modelType": "z"}})
    with pytest.raises(InputError, match="the files of shop:9 in dev are gone"):
        place.open("dev").files(dataclasses.replace(found, version="9"))


def test_tags_are_given_by_hand(place: Place) -> None:
    _, stored = place.promote(place.make(0.5, owner="ann"))
    assert stored is not None
    place.target.tag(stored, {"owner": None, "reviewed": "yes"})
    assert {"reviewed": "yes", "deployment": "champion"}.items() <= find_version(place.target, "shop").tags.items()
    assert "owner" not in find_version(place.target, "shop").tags


# --- what names a champion -------------------------------------------------------------------------------------------


def nightly(uri: str, kind: str = "mlflow_model", **more: Any) -> dict[str, Any]:
    """A schedule whose job reads a model."""
    job = {"jobType": "Pipeline", "inputs": {"model": {"jobInputType": kind, "uri": uri}}, "jobs": {}, **more}
    return {"properties": {"trigger": {"triggerType": "Cron", "expression": "0 0 * * *"}, "isEnabled": False,
                           "action": {"actionType": "CreateJob", "jobDefinition": job}, "provisioningState": "Succeeded"}}


def uris(azure: ScriptedAzure, key: str) -> list[str]:
    """What the inputs of a schedule's job are."""
    job = azure.world.resources.get(key).properties["action"]["jobDefinition"]
    every = [job["inputs"], *(node["inputs"] for node in job["jobs"].values())]
    return [given["uri"] for inputs in every for given in inputs.values()]


def test_schedules_and_batch_deployments_that_name_the_old_champion_are_told_the_new_one(place: Place, azure: ScriptedAzure) -> None:
    place.promote(place.make(0.5))
    put, home = azure.world.resources.put, place.target._workspace.path
    id_, short = f"{home}/models/shop/versions", "azureml:shop"
    node = {"jobs": {"score": {"inputs": {"model": {"job_input_type": "mlflow_model", "uri": f"azureml:{id_}/1"}}}}}
    put(f"{home}/schedules/ids", nightly(f"{id_}/1", **node))
    put(f"{home}/schedules/short", nightly(f"{short}:1", "custom_model"))
    put(f"{home}/schedules/others", nightly(f"{short}:12", jobs={
        "a": {"inputs": {"x": {"job_input_type": "uri_folder", "uri": f"{short}:1"}}},
        "b": {"inputs": {"x": {"job_input_type": "mlflow_model", "uri": "azureml:shop2:1"}}}}))
    endpoint = f"{home}/batchEndpoints/shop-batch"
    put(endpoint, {"properties": {"authMode": "AADToken"}})
    put(f"{home}/components/score/versions/1", {"properties": {"componentSpec": {"jobs": node["jobs"]}}})
    put(f"{endpoint}/deployments/blue", {"location": "here", "properties": {
        "compute": f"{home}/computes/cpu", "model": {"referenceType": "Id", "assetId": f"{id_}/1"}, "miniBatchSize": 7}})
    put(f"{endpoint}/deployments/pipeline", {"location": "here", "properties": {"deploymentConfiguration": {
        "deploymentConfigurationType": "PipelineComponent", "componentId": {"assetId": f"{home}/components/score/versions/1"}}}})
    azure.faults.add(Fault(method="PUT", pattern="*/schedules/short", status=403, code="AuthorizationFailed"))
    told: list[Repointed] = []
    version = place.make(0.4)
    try:
        _, stored = promote(place.here, version, place.target, REQUEST, place.known, told.append)
    finally:
        azure.faults.clear()
    assert stored is not None
    assert uris(azure, f"{home}/schedules/ids") == [f"{id_}/2", f"azureml:{id_}/2"]
    assert uris(azure, f"{home}/schedules/short") == [f"{short}:1"]
    assert uris(azure, f"{home}/schedules/others") == [f"{short}:12", f"{short}:1", "azureml:shop2:1"]
    deployment = azure.world.resources.get(f"{endpoint}/deployments/blue").properties
    assert (deployment["model"]["assetId"], deployment["miniBatchSize"]) == (f"{id_}/2", 7)
    assert azure.world.resources.get(f"{home}/schedules/ids").properties["isEnabled"] is False
    assert [(one.what, one.problem is None) for one in told] == [
        ("the schedule 'ids'", True), ("the schedule 'short'", False), ("the batch deployment 'blue' of 'shop-batch'", True),
        ("the batch deployment 'pipeline' of 'shop-batch'", False)]
    assert "AzureML Data Scientist" in str(told[1].problem)
    assert "mlops deploy PIPELINE --on dev" in str(told[3].problem)

    # The same promotion again finishes what was left, and changes nothing else.
    told.clear()
    assert promote(place.here, version, place.target, REQUEST, place.known, told.append)[1] is None
    assert [(one.what, one.problem is None) for one in told] == [
        ("the schedule 'short'", True), ("the batch deployment 'pipeline' of 'shop-batch'", False)]
    assert uris(azure, f"{home}/schedules/short") == [f"{short}:2"]
    # A rollback that could not finish is finished by a refresh; then what names another version does so by somebody's choice.
    azure.faults.add(Fault(method="PUT", pattern="*/schedules/short", status=403, code="AuthorizationFailed"))
    try:
        rollback(place.target, "shop", actor="eve", at="later")
    finally:
        azure.faults.clear()
    assert uris(azure, f"{home}/schedules/ids") == [f"{id_}/1", f"azureml:{id_}/1"]
    azure.world.resources.delete(f"{endpoint}/deployments/pipeline")
    assert refresh(place.target, "shop", told.append).version == "1"
    assert uris(azure, f"{home}/schedules/short") == [f"{short}:1"]
    azure.world.resources.put(f"{home}/schedules/ids", nightly(f"{id_}/2"))
    refresh(place.target, "shop", told.append)
    assert uris(azure, f"{home}/schedules/ids") == [f"{id_}/2"]


# --- at once ---------------------------------------------------------------------------------------------------------


def expire(models: WorkspaceModels) -> None:
    """A minute goes by in which nobody renews the lease."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobLeaseClient

    with contextlib.suppress(ResourceExistsError):  # nobody has it
        BlobLeaseClient(models._blobs()._client.get_blob_client("mlops/claims/shop")).break_lease(lease_break_period=0)


def test_of_two_promotions_at_once_one_wins_and_one_is_told(place: Place) -> None:
    other, one, two = place.open("dev"), place.make(0.4), place.make(0.3)
    told: list[Refused] = []

    class Busy(StageModels):
        def open(self, version: ModelVersion, file: str) -> BinaryIO:
            with pytest.raises(Refused) as caught:
                place.promote(two, target=other)
            told.append(caught.value)
            return super().open(version, file)

    _, stored = place.promote(one, source=Busy(place.folder / ".mlops", "here"))
    assert stored is not None
    assert told[0].what == "another promotion of 'shop' to dev is at work"
    assert place.champions() == [stored.version]
    assert place.promote(two, target=other)[1] is not None
    assert place.champions() == ["2"]


def test_one_that_slept_too_long_is_stopped(place: Place) -> None:
    place.promote(place.make(0.5))
    sleeper, other = place.target, place.open("dev")
    version, better = place.make(0.4), place.make(0.3)

    class Sleeping(StageModels):
        def open(self, version: ModelVersion, file: str) -> BinaryIO:
            if file == "data/loss":
                expire(sleeper)
                assert place.promote(better, target=other)[1] is not None
            return super().open(version, file)

    with pytest.raises(Refused, match="another promotion of 'shop' to dev is at work"):
        place.promote(version, source=Sleeping(place.folder / ".mlops", "here"))
    assert place.champions() == ["2"]
    assert place.losses[find_version(place.target, "shop", "champion").digest] == 0.3


def test_the_bytes_of_a_version_are_never_cleared_away(place: Place, azure: ScriptedAzure) -> None:
    dev = place.target
    first = place.promote(place.make(0.5))[1]
    assert first is not None
    row = azure.world.resources.get(f"{dev._workspace.path}/models/shop/versions/1")
    azure.world.resources.put(row.id, {"properties": {**row.properties, "modelUri": f"{row.properties['modelUri']}/"}})
    left = f"mlops/models/shop/{'0' * 32}/model/MLmodel"
    dev._blobs().write(left, b"of a promotion that was killed")

    def lists(request: Any) -> Response | None:
        """The versions are gone for a moment."""
        asked = request.method == "GET" and request.path.endswith("/models/shop/versions")
        return Response(status=404, body={"error": {"code": "UserError", "message": "none"}}) if asked else None

    version = dataclasses.replace(place.make(0.4), tags={"promotion": "2", "deployment": "champion"})
    with dev.claim("shop"):
        azure.twists.append(lists)
        with pytest.raises(Refused, match="has come to dev first"):
            dev.write(version, contents_of(place, version), {})
        dev._sweep("shop", "mlops/models/shop/anything")
        azure.twists.clear()
        assert dev._blobs().read(left) is not None, "a list that cannot be right clears nothing"
        stored = dev.write(version, contents_of(place, version), {})
    assert dev._blobs().read(left) is None
    for kept in (first, stored):
        assert [file.name for file in place.open("dev").files(kept)] == ["MLmodel", "data/loss"]


def contents_of(place: Place, version: ModelVersion) -> Iterator[tuple[str, BinaryIO]]:
    for file in place.here.files(version):
        with place.here.open(version, file.name) as stream:
            yield file.name, stream


def test_a_number_that_a_job_has_taken_meanwhile_is_left_to_it(place: Place, azure: ScriptedAzure) -> None:
    dev = place.target
    place.promote(place.make(0.5))
    version = place.make(0.4)

    def contents() -> Iterator[tuple[str, BinaryIO]]:
        for file in place.here.files(version):
            with place.here.open(version, file.name) as stream:
                yield file.name, stream
        azure.world.resources.put(f"{dev._workspace.path}/models/shop/versions/2", {"properties": {
            "tags": {}, "properties": {}, "modelUri": f"{dev._blobs().uri}x", "modelType": "custom_model"}})

    with dev.claim("shop"):
        stored = dev.write(version, contents(), {})
    assert stored.version == "3"
    assert [found.version for found in dev.versions("shop")] == ["3", "2", "1"]
    with dev.claim("shop"), pytest.raises(Refused, match="has come to dev first"):
        dev._add(version, {"modelUri": "x"}, [])  # known when there was nothing, and since then there were promotions


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "a b?x=1", ""])
def test_what_is_no_name_reaches_nothing(place: Place, azure: ScriptedAzure, name: str) -> None:
    azure.calls.clear()
    for models in (place.target, place.here):
        assert models.versions(name) == []
        with pytest.raises(Refused, match="is no name for a model"):
            rollback(models, name, actor="ann", at="now")
    assert azure.requests() == []
    assert not (place.folder / ".mlops").exists()


def test_a_file_whose_name_leads_out_of_its_model_goes_nowhere(place: Place, azure: ScriptedAzure) -> None:
    first = place.promote(place.make(0.5))[1]
    assert first is not None
    prefix = place.target.path(first).partition("/paths/")[2]
    azure.world.account.write(container(place.target._workspace.name, "workspaceblobstore"), f"{prefix}/a/../../../x", b"x")
    with pytest.raises(InputError, match=re.escape("has a file 'a/../../../x'")):
        place.promote(first, source=place.target, target=place.open("qa"))


# --- what Azure refuses ----------------------------------------------------------------------------------------------


def test_a_lost_answer_makes_one_version(place: Place, azure: ScriptedAzure) -> None:
    azure.faults.add(Fault(method="PUT", pattern="*/models/shop/versions/1", lost=True, times=1))
    try:
        _, stored = place.promote(place.make(0.5))
    finally:
        azure.faults.clear()
    assert stored is not None
    assert [version.version for version in place.target.versions("shop")] == ["1"]


def test_an_address_that_azure_writes_in_its_own_way_is_known_again(place: Place, azure: ScriptedAzure) -> None:
    def kept(request: Any) -> Response | None:
        if request.method != "PUT" or "/models/shop/versions/" not in request.path:
            return None
        told = json.loads(request.body)["properties"]
        uri = f"{told['modelUri']}/".replace("resourceGroups", "resourcegroups")
        azure.world.resources.put(request.path, {"properties": {**told, "modelUri": uri}})
        return Response(status=201, body={})

    azure.twists.append(kept)
    _, stored = place.promote(place.make(0.5))
    azure.twists.clear()
    assert stored is not None
    assert [version.version for version in place.target.versions("shop")] == ["1"]
    assert [file.name for file in place.open("dev").files(stored)] == ["MLmodel", "data/loss"]
    assert json.loads(place.open("dev").note(stored, "decision.json") or b"")["passed"] is True


def test_who_may_not_write_blobs_is_told_the_role(place: Place, azure: ScriptedAzure) -> None:
    azure.faults.add(Fault(method="PUT", pattern="*/mlops/claims/*", status=403, code="AuthorizationPermissionMismatch"))
    try:
        with pytest.raises(StageError) as caught:
            place.promote(place.make(0.5))
    finally:
        azure.faults.clear()
    assert "'Storage Blob Data Contributor'" in caught.value.fix
    assert place.target.versions("shop") == []


# --- crashes ---------------------------------------------------------------------------------------------------------

ATTEMPT = """
from pathlib import Path

from mlops_lib.engines.azureml.registry import WorkspaceModels
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.infra import read
from mlops_lib.gate import Gate
from mlops_lib.evidence import DataFacts, Evidence
from mlops_lib.promotions import Request, promote
from mlops_lib.stores.models import find_version
from mlops_lib.stores.stages import StageModels
from mlops_lib.sweep import Goal

folder, stage = Path(given[0]), read(json.loads(given[1]), "the test")

def attempt(candidate):
    here, dev = StageModels(folder, "here"), WorkspaceModels(Workspace(stage))
    def evidence(models, version):
        with models.open(version, "data/loss") as stream:
            return Evidence(model=str(version), digest=version.digest, metrics={"loss": float(stream.read())},
                            data=DataFacts(digest="sha256:1", rows=10))
    request = Request(gate=Gate(metric="loss", goal=Goal.MINIMIZE), gate_file="g.yml", gate_text=b"g", actor="ann",
                      approved_by=None, approval="none", at="now")
    promote(here, find_version(here, "shop", candidate), dev, request, lambda new, old: (
        evidence(here, new), evidence(dev, old) if old else None))
"""

# What is about to be sent when the process dies, the how manieth of its form it is, and whether the new version is the champion.
PROMOTION = (
    ("the claim is taken", "PUT */mlops/claims/shop[?]comp=lease*", 1, False),
    ("bytes are written", "PUT */model/MLmodel*", 1, False),
    ("the last bytes are written", "PUT */model/data/loss*", 1, False),
    ("what was written is read", "GET */model/data/loss*", 1, False),
    ("the decision is written", "PUT */decision.json*", 1, False),
    ("the lineage is written", "PUT */lineage.json*", 1, False),
    ("the version is made", "PUT */models/shop/versions/NEW[?]*", 1, False),
    ("the old champion's tag is taken", "PUT */models/shop/versions/OLD[?]*", 1, True),
    ("a schedule is told", "PUT */schedules/nightly[?]*", 1, True),
    ("it is written down that all were told", "PUT */models/shop/versions/NEW[?]*", 2, True),
    ("the claim is given back", "PUT */mlops/claims/shop[?]comp=lease*x-ms-lease-action: release*", 1, True),
)


def test_wherever_a_promotion_is_killed_there_is_one_champion_and_the_next_one_succeeds(place: Place, azure: ScriptedAzure) -> None:
    first = place.promote(place.make(100.0))[1]
    assert first is not None
    told = {**azure.setup.outputs(place.target._workspace.name), "stage": "dev"}
    home = place.target._workspace.path
    azure.world.resources.put(f"{home}/schedules/nightly", nightly(f"{home}/models/shop/versions/1"))

    def attempt(number: int, pattern: str, nth: int) -> tuple[str, ModelVersion, ModelVersion]:
        candidate = place.make(99.0 - number)
        said = doomed.attempt(pattern, nth, candidate.version)
        now = champion_of(place.target, "shop")
        assert now is not None
        return said, candidate, now

    champion = first
    with Doomed(ATTEMPT, str(place.folder / ".mlops"), json.dumps(told)) as doomed:
        for number, (what, pattern, nth, already) in enumerate(PROMOTION):
            new = str(max(int(version.version) for version in place.target.versions("shop")) + 1)
            said, candidate, now = attempt(number, pattern.replace("NEW", new).replace("OLD", champion.version), nth)
            assert said == "killed", what
            assert now.digest == (candidate if already else champion).digest, what
            if already:
                assert place.target.measured(dataclasses.replace(now, digest="")).digest == now.digest, "its bytes are whole"
            champion = now
            expire(place.target)
        said, candidate, now = attempt(len(PROMOTION), "nothing", 1)
    assert (said, now.digest) == ("done", candidate.digest)
    assert place.champions() == [now.version]
    assert uris(azure, f"{home}/schedules/nightly") == [f"{home}/models/shop/versions/{now.version}"]
    assert len(place.target._blobs().folders("mlops/models/shop")) == len(place.target.versions("shop")), \
        "nothing is left of those that were killed"
