"""Promotion and rollback on registries of this machine; every crash is a real one."""

import contextlib
import dataclasses
import hashlib
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mlops_lib.errors import InputError, Refused
from mlops_lib.evidence import DataFacts, Evidence
from mlops_lib.gate import Gate
from mlops_lib.promote import Decision
from mlops_lib.promotions import Request, promote, read_decision, read_lineage, read_signature, refresh, rollback
from mlops_lib.stores.digests import Whole
from mlops_lib.stores.models import RESERVED, ModelFile, ModelVersion, Repointed, Stream, champion_of
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


def test_what_another_stage_says_of_its_champions_does_not_come_along(place: Place) -> None:
    said = dict.fromkeys(RESERVED, "3") | {"deployment": "champion", "owner": "me"}
    _, stored = place.promote(place.make(0.5, **said))
    assert stored is not None
    assert stored.tags == {"owner": "me", "deployment": "champion", "promotion": "1", "promoted_by": "ann", "promoted_at": REQUEST.at}


def test_a_refusal_leaves_what_another_promotion_has_left(place: Place) -> None:
    _, first = place.promote(place.make(0.5))
    best = place.make(0.4)
    place.promote(best)
    assert first is not None
    place.target.tag(first, {"deployment": "champion"})  # as a process that was killed would have
    assert place.promote(place.make(0.6))[1] is None
    assert place.champions() == ["2", "1"]
    assert place.promote(best)[1] is None  # the champion itself: its promotion goes on
    assert place.champions() == ["2"]


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
    with pytest.raises(InputError, match="no model 'shop' is in qa"):
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


def test_the_size_is_that_of_the_bytes_whatever_an_evaluation_says(place: Place) -> None:
    version = place.make(0.5)

    def small(candidate: ModelVersion, champion: ModelVersion | None) -> tuple[Evidence, Evidence | None]:
        return dataclasses.replace(place.known(candidate, champion)[0], size=1), None

    size = len(SIGNATURE) + len("0.5")
    for most, passed in ((size, True), (size - 1, False)):
        request = dataclasses.replace(REQUEST, gate=dataclasses.replace(REQUEST.gate, max_bytes=most))
        decision, stored = promote(place.source, version, StageModels(place.folder / ".mlops", f"s{most}"), request, small)
        assert (stored is not None) == passed
        assert next(check for check in decision.checks if check.name == "size").values["candidate"] == size


@pytest.mark.parametrize(("note", "text"), [
    ("lineage.json", '{"origin": nu'), ("lineage.json", "[]"), ("lineage.json", "{}"), ("lineage.json", '{"promotions": [{"from": "runs"}]}'),
    ("decision.json", "{"), ("decision.json", '{"checks": [1]}'),
])  # fmt: skip
def test_a_damaged_note_is_told(place: Place, note: str, text: str) -> None:
    stored = place.promote(place.make(0.5))[1]
    assert stored is not None
    read: Callable[..., object] = read_lineage if note == "lineage.json" else read_decision
    assert read(place.target, stored)
    (place.target.path(stored).parent / note).write_text(text)
    with pytest.raises(InputError, match=rf"{re.escape(note)} of shop:1 in qa is damaged"):
        read(place.target, stored)


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


# --- any order of promotions, rollbacks, crashes and sleepers ------------------------------------------------------------


class Died(BaseException):
    """The process is killed."""


class Shelf:
    """A registry as a workspace is one: no transactions, one change at a time, and a claim that ends some time after its holder.

    Attributes:
        left: How many changes are made until the process dies; None for ever.
        scheduled: The version that a schedule names.
    """

    name, where, referred = "prod", "in memory", True

    def __init__(self) -> None:
        self.known: list[ModelVersion] = []
        self.bytes: dict[str, bytes] = {}
        self.left: int | None = None
        self.scheduled = ""
        self.holder: object = None
        self._mine: object = None

    def _change(self, *, claimed: bool = True) -> None:
        if claimed and self.holder is not self._mine:
            raise Refused("the claim is another's")
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Died

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[None]:
        if self.holder is not None:
            raise Refused(f"another promotion of {name!r} is at work")
        mine, before = object(), self._mine
        self.holder = self._mine = mine
        try:
            yield
        except Died:
            raise
        except BaseException:
            self.holder = None if self.holder is mine else self.holder
            raise
        else:
            self.holder = None if self.holder is mine else self.holder
        finally:
            self._mine = before

    def names(self) -> Sequence[str]:
        return sorted({version.name for version in self.known})

    def versions(self, name: str) -> Sequence[ModelVersion]:
        return [version for version in reversed(self.known) if version.name == name]

    def measured(self, version: ModelVersion) -> ModelVersion:
        return version

    def files(self, version: ModelVersion) -> Sequence[ModelFile]:
        return [ModelFile("loss", len(self.bytes[version.digest]))]

    def open(self, version: ModelVersion, file: str) -> BinaryIO:
        return io.BytesIO(self.bytes[version.digest])

    def note(self, version: ModelVersion, name: str) -> bytes | None:
        return None

    def tag(self, version: ModelVersion, tags: Mapping[str, str | None]) -> None:
        self._change()
        at = next(number for number, other in enumerate(self.known) if other.version == version.version)
        now = {**self.known[at].tags, **tags}
        self.known[at] = dataclasses.replace(self.known[at], tags={name: text for name, text in now.items() if text is not None})

    def write(self, version: ModelVersion, contents: Iterable[tuple[str, Stream]], notes: Mapping[str, bytes]) -> ModelVersion:
        number = str(len(self.known) + 1)
        for _, stream in contents:
            self._change(claimed=False)
            self.bytes[version.digest] = stream.read()
        self._change()
        if number != str(len(self.known) + 1):
            raise Refused("the number is taken")
        stored = dataclasses.replace(version, version=number)
        self.known.append(stored)
        return stored

    def repoint(self, olds: Collection[str], new: ModelVersion) -> Iterable[Repointed]:
        if self.scheduled in olds:
            self._change(claimed=False)
            self.scheduled = new.version
            yield Repointed(what="the schedule")

    def loss(self, version: ModelVersion | None) -> float:
        return float(self.bytes[version.digest]) if version is not None else math.inf


class Candidate(Shelf):
    """Where a version to promote comes from; while its bytes are read, something may happen."""

    name = "runs"

    def __init__(self, loss: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        text = str(loss).encode()
        digest = Whole()
        digest.add("loss", hashlib.sha256(text).hexdigest())
        self.version = ModelVersion(name="shop", version="1", type="mlflow_model", digest=digest.digest, created=0)
        self.bytes[digest.digest] = text
        self._meanwhile = meanwhile

    def open(self, version: ModelVersion, file: str) -> BinaryIO:
        self._meanwhile()
        return super().open(version, file)


BETTER, UNTIL = st.sampled_from((1, 1, 2, 0, -1)), st.none() | st.integers(0, 6)


class Promotions(RuleBasedStateMachine):
    """A model and its rival: whatever happens, one of them is the champion, and only a better one takes the place."""

    def __init__(self) -> None:
        super().__init__()
        self.prod = Shelf()
        self.was: ModelVersion | None = None

    def _promote(self, loss: int, meanwhile: Callable[[], None] = lambda: None) -> ModelVersion | None:
        source = Candidate(loss, meanwhile)

        def known(version: ModelVersion, champion: ModelVersion | None) -> tuple[Evidence, Evidence | None]:
            def told(found: ModelVersion, value: float) -> Evidence:
                return Evidence(model=str(found), digest=found.digest, data=DATA, metrics={"loss": value})

            return told(version, loss), told(champion, self.prod.loss(champion)) if champion else None

        return promote(source, source.version, self.prod, REQUEST, known)[1]

    @contextlib.contextmanager
    def _until(self, left: int | None) -> Iterator[None]:
        """The process makes so many changes, and dies; its claim ends a while later."""
        self.prod.left = left
        try:
            yield
        except Died:
            self.prod.holder = None
        finally:
            self.prod.left = None

    def _loss(self, better: int) -> int:
        """A loss that is so much better than the champion's."""
        return (int(self.prod.loss(self.was)) if self.was is not None else 50) - better

    @rule(better=BETTER, left=UNTIL)
    def promotes(self, better: int, left: int | None) -> None:
        loss = self._loss(better)
        with self._until(left):
            stored = self._promote(loss)
            assert (stored is not None) == (loss < self.prod.loss(self.was))
            assert stored is None or self._tagged() == [stored.version]
        self._only_better()

    @rule(one=BETTER, two=BETTER)
    def promotes_and_sleeps_while_another_one_does(self, one: int, two: int) -> None:
        loss, other = self._loss(one), self._loss(two)
        happened: list[ModelVersion | None] = []

        def meanwhile() -> None:
            holder, self.prod.holder = self.prod.holder, None
            happened.append(self._promote(other))
            self.prod.holder = holder if self.prod.holder is None and happened[-1] is None else object()

        with contextlib.suppress(Refused):
            stored = self._promote(loss, meanwhile)
            assert stored is None or happened == [None], "one that slept did not see what came meanwhile"
        self.prod.holder = None
        self._only_better()

    @rule(left=UNTIL)
    def rolls_back(self, left: int | None) -> None:
        allowed = {version.version for version in (self.was, champion_of(self.prod, "shop")) if version}
        allowed |= {self.was.tags.get("replaces", "")} if self.was else set()
        with self._until(left), contextlib.suppress(InputError):
            rollback(self.prod, "shop", actor="eve", at="now")
        self.was = champion_of(self.prod, "shop")
        assert self.was is None or self.was.version in allowed

    @precondition(lambda self: self.was is not None)
    @rule(left=UNTIL)
    def refreshes(self, left: int | None) -> None:
        with self._until(left):
            champion = refresh(self.prod, "shop", lambda repointed: None)
            assert self._tagged() == [champion.version]
        now = champion_of(self.prod, "shop")
        assert now is not None
        assert self.was is not None
        assert now.version == self.was.version

    @precondition(lambda self: self.was is not None and not self.prod.scheduled)
    @rule()
    def schedules(self) -> None:
        self.prod.scheduled = self.was.version if self.was else ""

    def _tagged(self) -> list[str]:
        return [version.version for version in self.prod.known if version.tags.get("deployment") == "champion"]

    def _only_better(self) -> None:
        """The champion is the one that was, or a better one."""
        now = champion_of(self.prod, "shop")
        if self.was is not None:
            assert now is not None
            if now.version != self.was.version:
                assert self.prod.loss(now) < self.prod.loss(self.was)
        self.was = now

    @invariant()
    def one_is_the_champion(self) -> None:
        assert bool(self._tagged()) == bool(self.was)
        numbers = [version.tags["promotion"] for version in self.prod.known if "promotion" in version.tags]
        assert len(set(numbers)) == len(numbers), "no two have the same right to it"

    @invariant()
    def what_is_said_to_name_the_champion_does(self) -> None:
        if self.was is not None and self.prod.scheduled and "follow_up" not in self.was.tags:
            assert self.prod.scheduled == self.was.version


TestPromotions = Promotions.TestCase
TestPromotions.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
