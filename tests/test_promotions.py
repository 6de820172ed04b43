"""Promotion and rollback on registries of this machine; every crash is a real one."""

import dataclasses
import io
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_lib.errors import InputError, Refused
from mlops_lib.promote import DataFacts, Decision, Evidence, Gate
from mlops_lib.promotions import Request, promote, read_lineage, read_signature, rollback
from mlops_lib.stores.models import ModelVersion, champion_of
from mlops_lib.stores.stages import StageModels, digest_of
from mlops_lib.sweep import Goal

DATA = DataFacts(digest="sha256:1", rows=10)
REQUEST = Request(
    gate=Gate(metric="loss", goal=Goal.MINIMIZE), gate_file="gates/g.yml", gate_text=b"objective: x\n", actor="ann",
    approved_by=None, approval="none", at="2026-11-26T10:00:00+00:00")
SIGNATURE = """signature: {inputs: '[{"type": "long", "name": "a"}]', outputs: '[{"type": "double"}]'}\n"""


class Place:
    """Two registries in a folder; the number in a model's file is its loss."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.target = StageModels(folder / ".mlops", "dev"), StageModels(folder / ".mlops", "qa")

    def make(self, loss: float | str, **tags: str) -> ModelVersion:
        """A version in the source, as a stage has it."""
        made = self.folder / "made"
        made.mkdir(exist_ok=True)
        (made / "MLmodel").write_text(SIGNATURE)
        (made / "loss").write_text(str(loss))
        version = ModelVersion(name="shop", version="", type="mlflow_model", digest=digest_of(made), created=0, tags=tags)
        files = sorted(path.name for path in made.iterdir())
        return self.source.write(version, ((name, io.BytesIO((made / name).read_bytes())) for name in files), {})

    def known(self, version: ModelVersion, champion: ModelVersion | None) -> tuple[Evidence, Evidence | None]:
        def told(models: StageModels, found: ModelVersion) -> Evidence:
            loss = float((models.path(found) / "loss").read_text())
            return Evidence(model=str(found), digest=found.digest, data=DATA, metrics={"loss": loss})

        return told(self.source, version), told(self.target, champion) if champion else None

    def promote(self, version: ModelVersion, request: Request = REQUEST) -> tuple[Decision, ModelVersion | None]:
        return promote(self.source, version, self.target, request, self.known)

    def champions(self) -> list[str]:
        """The versions with the champion's tag, the champion first."""
        tagged = [version for version in self.target.versions("shop") if version.tags.get("deployment") == "champion"]
        return [version.version for version in sorted(tagged, key=lambda version: -int(version.tags["promotion"]))]

    def loss(self) -> float:
        """The champion's."""
        champion = champion_of(self.target, "shop")
        assert champion is not None
        assert digest_of(self.target.path(champion)) == champion.digest
        return float((self.target.path(champion) / "loss").read_text())

    def files(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted((self.folder / ".mlops/stages/qa").rglob("*")) if path.is_file()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_promotion_copies_the_bytes_and_writes_down_all_about_it(place: Place) -> None:
    version = place.make(0.5, owner="me", deployment="champion", promotion="12")
    decision, stored = place.promote(version, dataclasses.replace(REQUEST, approved_by="bob", approval="other"))
    assert decision.passed
    assert stored is not None
    assert digest_of(place.target.path(stored)) == version.digest == stored.digest
    assert champion_of(place.target, "shop") == stored
    assert stored.tags == {"owner": "me", "deployment": "champion", "promotion": "1", "promoted_by": "ann",
                           "promoted_at": REQUEST.at, "approved_by": "bob"}
    note = place.target.note(stored, "decision.json")
    assert note is not None
    assert Decision.from_dict(json.loads(note)) == decision
    assert json.loads(place.target.note(stored, "evidence.json") or b"")["metrics"] == {"loss": 0.5}
    assert place.target.note(stored, "gate.yml") == REQUEST.gate_text
    [step] = read_lineage(place.target, stored)["promotions"]
    assert (step["from"], step["to"], step["by"], step["approved_by"], step["gate"]) == ("dev/shop:1", "qa", "ann", "bob", "gates/g.yml")
    assert len(step["gate_digest"]) == 64
    signature = read_signature(place.target, stored)
    assert signature is not None
    assert (signature.inputs, signature.outputs) == ({"a": "long"}, {"0": "double"})


def test_lineage_grows_from_stage_to_stage(place: Place) -> None:
    _, stored = place.promote(place.make(0.5))
    assert stored is not None
    prod = StageModels(place.folder / ".mlops", "prod")
    _, last = promote(place.target, stored, prod, REQUEST, lambda version, champion: (
        Evidence(model=str(version), digest=version.digest, data=DATA, metrics={"loss": 0.5}), None))
    assert last is not None
    assert [step["to"] for step in read_lineage(prod, last)["promotions"]] == ["qa", "prod"]


@pytest.mark.parametrize("loss", [0.5, 0.6, math.nan, math.inf, -math.inf])
def test_what_is_no_better_is_refused_and_changes_nothing(place: Place, loss: float) -> None:
    place.promote(place.make(0.5))
    before = place.files()
    decision, stored = place.promote(place.make(loss))
    assert stored is None
    assert not decision.passed
    assert place.files() == before


def test_a_better_one_takes_the_place_and_the_old_one_stays_as_a_version(place: Place) -> None:
    for loss in (0.5, 0.4, 0.3):
        assert place.promote(place.make(loss))[1] is not None
    assert (place.champions(), place.loss()) == (["3"], 0.3)
    tags = [version.tags for version in place.target.versions("shop")]
    assert [(tag.get("promotion"), tag.get("replaces"), tag.get("deployment")) for tag in tags] == [
        ("3", "2", "champion"), ("2", "1", None), ("1", None, None)]


def test_approval_is_a_check_like_the_others(place: Place) -> None:
    version = place.make(0.5)
    for approved_by in (None, "Ann"):
        decision, stored = place.promote(version, dataclasses.replace(REQUEST, approval="other", approved_by=approved_by))
        assert (stored, [check.name for check in decision.checks if not check.passed]) == (None, ["approval"])
    assert place.promote(version, dataclasses.replace(REQUEST, approval="other", approved_by="bob"))[1] is not None


def test_bytes_that_were_changed_are_refused(place: Place) -> None:
    place.promote(place.make(0.5))
    version, before = place.make(0.4), place.files()
    file = place.source.path(version) / "loss"
    file.chmod(0o644)
    file.write_text("0.1")
    with pytest.raises(Refused, match="not what they were when it was made"):
        place.promote(version)
    assert place.files() == before


def test_rollback_goes_back_one_champion_after_the_other(place: Place) -> None:
    with pytest.raises(InputError, match="no champion in qa"):
        rollback(place.target, "shop", actor="ann", at=REQUEST.at)
    for loss in (0.5, 0.4, 0.3):
        place.promote(place.make(loss))
    now, before = rollback(place.target, "shop", actor="eve", at="later")
    assert (now.version, before.version, place.champions(), place.loss()) == ("2", "3", ["2"], 0.4)
    assert {tag: now.tags[tag] for tag in ("promotion", "promoted_by", "promoted_at", "rollback_of", "replaces")} == {
        "promotion": "4", "promoted_by": "eve", "promoted_at": "later", "rollback_of": "3", "replaces": "1"}
    rollback(place.target, "shop", actor="eve", at="later")
    assert (place.champions(), place.loss()) == (["1"], 0.5)
    with pytest.raises(InputError, match="no champion of 'shop' was before shop:1"):
        rollback(place.target, "shop", actor="eve", at="later")
    assert place.promote(place.make(0.35))[1] is not None
    assert (place.champions(), place.loss()) == (["4"], 0.35)
    rollback(place.target, "shop", actor="eve", at="later")
    assert place.champions() == ["1"]


def test_a_rollback_to_changed_bytes_is_refused(place: Place) -> None:
    for loss in (0.5, 0.4):
        place.promote(place.make(loss))
    file = place.target.path(place.target.versions("shop")[1]) / "loss"
    file.chmod(0o644)
    file.write_text("0.0")
    with pytest.raises(Refused, match="not what they were"):
        rollback(place.target, "shop", actor="ann", at="now")
    assert place.champions() == ["2"]


def test_a_model_file_that_mlflow_did_not_write_is_told(place: Place) -> None:
    for text in ("signature: {inputs: 'no json'}\n", "signature: [1]\n", "a: [\n"):
        folder = place.folder / "wrong"
        folder.mkdir(exist_ok=True)
        (folder / "MLmodel").write_text(text)
        version = ModelVersion(name="odd", version="", type="mlflow_model", digest=digest_of(folder), created=0)
        stored = place.source.write(version, [("MLmodel", io.BytesIO((folder / "MLmodel").read_bytes()))], {})
        with pytest.raises(InputError, match="not as MLflow writes it"):
            read_signature(place.source, stored)


# --- crashes ---------------------------------------------------------------------------------------------------------

# Kills itself at the n-th time that it is about to change a file of the target: every step that there is, in its order.
CHILD = """
import os, shutil, signal, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import test_promotions as t
from mlops_lib.promotions import rollback

template, work, what = Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
CHANGES = {"open", "os.rename", "os.mkdir", "os.chmod", "os.remove", "os.rmdir", "shutil.rmtree"}

def attempt(place, n):
    left = n
    def look(event, arguments):
        nonlocal left
        if event not in CHANGES or not str(arguments[0]).startswith(str(place.folder / ".mlops/stages/qa")):
            return
        if event == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("wxa+")):
            return
        left -= 1
        if left == 0:
            point = Path(str(arguments[0])).relative_to(place.folder / ".mlops/stages/qa/models/shop")
            target = Path(str(arguments[1])).name if event == "os.rename" else ""
            os.write(1, f"{n}|{event}|{point}|{target}\\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(look)
    if what == "promote":
        place.promote(place.source.versions("shop")[0])
    else:
        rollback(place.target, "shop", actor="ann", at="now")

n = 0
while True:
    n += 1
    folder = work / str(n)
    shutil.copytree(template, folder)
    child = os.fork()
    if child == 0:
        try:
            attempt(t.Place(folder), n)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        os.write(1, f"{n}|end|{os.WEXITSTATUS(status)}|\\n".encode())
        break
"""


def killed_everywhere(place: Place, work: Path, what: str) -> list[list[str]]:
    """Where a child was killed: event, path below the model, and new name; the last one was not."""
    work.mkdir()
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CHILD, str(Path(__file__).parent), str(place.folder), str(work), what],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    points = [line.split("|")[1:] for line in done.stdout.splitlines()]
    assert points[-1][:2] == ["end", "0"], done.stderr
    return points


def tidy(folder: Path) -> None:
    """Model folders are read-only, also for pytest when it cleans up."""
    for parent, _, _ in os.walk(folder):
        os.chmod(parent, 0o755)


@pytest.fixture
def crashes(tmp_path: Path) -> Place:
    """Three champions were there one after the other, and the last version of the source is better still."""
    place = Place(tmp_path / "template")
    place.folder.mkdir()
    for loss in (0.5, 0.4, 0.3):
        place.promote(place.make(loss))
    place.make(0.2)
    return place


# What is about to happen when the process dies, and whether the new version is the champion already.
PROMOTION = (
    ("the folder of the version is made", "os.mkdir", ".new-*/model", False),
    ("bytes are written", "open", ".new-*/model/MLmodel", False),
    ("the last bytes are written", "open", ".new-*/model/loss", False),
    ("the decision is written", "open", ".new-*/decision.json", False),
    ("the evidence is written", "open", ".new-*/evidence.json", False),
    ("the lineage is written", "open", ".new-*/lineage.json", False),
    ("tags are written", "open", ".new-*/tags.json", False),
    ("what never changes is written", "open", ".new-*/version.json", False),
    ("the bytes are protected", "os.chmod", ".new-*/model", False),
    ("the version gets its name", "os.rename", ".new-*", False),
    ("the old champion's tags are written", "open", "3/tags.json.new-", True),
    ("the old champion's tags take their place", "os.rename", "3/tags.json.new-", True),
)


def test_wherever_a_promotion_is_killed_there_is_one_champion_and_the_next_one_succeeds(crashes: Place, tmp_path: Path) -> None:
    points = killed_everywhere(crashes, tmp_path / "work", "promote")
    seen = [(event, Path(path)) for event, path, _ in points[:-1]]
    for what, event, pattern, _ in PROMOTION:
        assert any(event == found and path.match(pattern) for found, path in seen), what
    named = next(index for index, (event, path) in enumerate(seen) if event == "os.rename" and path.match(".new-*"))
    for number, (event, path) in enumerate(seen, start=1):
        place = Place(tmp_path / "work" / str(number))
        for what, known, pattern, already in PROMOTION:
            if event == known and path.match(pattern):
                assert already == (number - 1 > named), what
        assert place.loss() == (0.2 if number - 1 > named else 0.3), (event, path)
        # The next one, which is better than either, succeeds, and nothing is left of the one that was killed.
        decision, stored = place.promote(place.make(0.1))
        assert decision.passed
        assert stored is not None
        assert place.champions() == [stored.version], (event, path)
        assert place.loss() == 0.1
        assert not list((place.folder / ".mlops/stages/qa/models/shop").glob(".new-*"))
    tidy(tmp_path / "work")
    shutil.rmtree(tmp_path / "work")


def test_wherever_a_rollback_is_killed_there_is_one_champion_and_the_next_one_succeeds(crashes: Place, tmp_path: Path) -> None:
    points = killed_everywhere(crashes, tmp_path / "work", "rollback")
    seen = [(event, path) for event, path, _ in points[:-1]]
    first = seen.index(("os.rename", "2/tags.json.new-"))
    assert ("os.rename", "3/tags.json.new-") in seen[first:]
    for number in range(1, len(seen) + 1):
        place = Place(tmp_path / "work" / str(number))
        assert place.loss() == (0.4 if number - 1 > first else 0.3), seen[number - 1]
        rollback(place.target, "shop", actor="ann", at="now")
        assert len(place.champions()) == 1
        assert place.loss() == (0.5 if number - 1 > first else 0.4)
    tidy(tmp_path / "work")
    shutil.rmtree(tmp_path / "work")
