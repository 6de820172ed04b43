import io
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from mlops_lib.errors import Refused, RunError
from mlops_lib.stores.models import ModelVersion, Stream, champion_of, find_version
from mlops_lib.stores.stages import StageModels, digest_of, stages

FILES = {"MLmodel": b"flavors: {}\n", "data/weights": b"\0\1\2" * 1000}


def folder_of(tmp_path: Path, files: dict[str, bytes]) -> Path:
    folder = tmp_path / "source"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def draft(tmp_path: Path, files: dict[str, bytes] = FILES, **tags: str) -> ModelVersion:
    return ModelVersion(name="shop", version="7", type="mlflow_model", digest=digest_of(folder_of(tmp_path, files)), created=0.0,
                        tags=tags)


def streams(files: dict[str, bytes] = FILES) -> Iterable[tuple[str, Stream]]:
    return ((name, io.BytesIO(content)) for name, content in sorted(files.items()))


@pytest.fixture
def stage(tmp_path: Path) -> StageModels:
    return StageModels(tmp_path / ".mlops", "dev")


def test_what_is_written_is_read_again(stage: StageModels, tmp_path: Path) -> None:
    stored = stage.write(draft(tmp_path, owner="me"), streams(), {"decision.json": b"{}"})
    assert (stored.version, stored.tags) == ("1", {"owner": "me"})
    assert stored.created > 0
    assert stage.names() == ["shop"]
    assert stage.versions("shop") == [stored] == [find_version(stage, "shop"), ]
    assert [tuple(file) for file in stage.files(stored)] == [("MLmodel", 12), ("data/weights", 3000)]
    for name, content in FILES.items():
        with stage.open(stored, name) as stream:
            assert stream.read() == content
    assert (stage.note(stored, "decision.json"), stage.note(stored, "other")) == (b"{}", None)
    assert stage.write(draft(tmp_path), streams(), {}).version == "2"
    assert [version.version for version in stage.versions("shop")] == ["2", "1"]


def test_versions_are_counted_and_not_spelt(stage: StageModels, tmp_path: Path) -> None:
    for _ in range(10):
        stage.write(draft(tmp_path), streams(), {})
    assert [version.version for version in stage.versions("shop")][:2] == ["10", "9"]


def test_bytes_that_are_not_those_that_were_sent_are_not_stored(stage: StageModels, tmp_path: Path) -> None:
    for wrong in ({**FILES, "MLmodel": b"flavors: []\n"}, {"MLmodel": FILES["MLmodel"]}, {**FILES, "more": b""}):
        with pytest.raises(Refused, match="not those that were sent"):
            stage.write(draft(tmp_path), streams(wrong), {})
        assert not stage.versions("shop")
        assert not [path for path in (tmp_path / ".mlops").rglob("*") if path.is_file()]


def test_a_model_cannot_be_written_over_by_accident(stage: StageModels, tmp_path: Path) -> None:
    stored = stage.write(draft(tmp_path), streams(), {})
    for path in (stage.path(stored), *stage.path(stored).rglob("*")):
        assert path.stat().st_mode & 0o222 == 0


def test_all_that_a_version_needs_is_on_the_disk_before_it_is_told(
        stage: StageModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, settled = os.fsync, set()

    def fsync(descriptor: int) -> None:
        settled.add(os.fstat(descriptor).st_ino)
        asked(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    stage.write(draft(tmp_path), streams(), {"decision.json": b"{}"})
    home = tmp_path / ".mlops"
    assert {path.name for path in (home, *home.rglob("*")) if path.stat().st_ino not in settled} == set()


@pytest.mark.parametrize(("file", "text"), [
    ("version.json", "{"), ("version.json", '{"name": "shop"}'), ("tags.json", "[]"), ("tags.json", "\0")])
def test_a_damaged_version_is_named(stage: StageModels, tmp_path: Path, file: str, text: str) -> None:
    stored = stage.write(draft(tmp_path), streams(), {})
    (stage.path(stored).parent / file).write_text(text)
    with pytest.raises(RunError, match="the version shop:1 in dev is damaged"):
        stage.versions("shop")


def test_a_promotion_that_is_no_number_counts_for_nothing(stage: StageModels, tmp_path: Path) -> None:
    for number in ("3", "x", "", "9" * 5000):
        stage.write(draft(tmp_path, deployment="champion", promotion=number), streams(), {})
    found = champion_of(stage, "shop")
    assert found is not None
    assert found.version == "1"


def test_tags_are_set_and_taken_away_together(stage: StageModels, tmp_path: Path) -> None:
    stored = stage.write(draft(tmp_path, a="1", b="2"), streams(), {})
    stage.tag(stored, {"a": None, "c": "3", "absent": None})
    [found] = stage.versions("shop")
    assert found.tags == {"b": "2", "c": "3"}


def test_what_a_killed_process_has_left_is_cleared_and_never_seen(stage: StageModels, tmp_path: Path) -> None:
    left = tmp_path / ".mlops/stages/dev/models/shop/.new-0123/model"
    left.mkdir(parents=True)
    (left / "MLmodel").write_bytes(b"half")
    left.chmod(0o555)
    assert stage.names() == []
    stage.write(draft(tmp_path), streams(), {})
    assert not left.exists()


HOLDER = """
import sys
from pathlib import Path
from mlops_lib.stores.stages import StageModels

with StageModels(Path(sys.argv[1]), "dev").claim("shop"):
    print("claimed", flush=True)
    sys.stdin.read()
"""


def test_of_two_who_change_the_champion_one_is_told(stage: StageModels, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / ".mlops")], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(Refused, match="another promotion of 'shop' to dev is at work"), stage.claim("shop"):
            raise AssertionError
        with stage.claim("other"):
            pass
        other.stdin.close()
        assert other.wait() == 0
    with stage.claim("shop"):
        pass


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", ".hidden"])
def test_a_name_never_leads_out_of_the_registry(stage: StageModels, tmp_path: Path, name: str) -> None:
    (tmp_path / ".mlops/stages/dev/models/shop").mkdir(parents=True)
    assert stage.versions(name) == []
    with pytest.raises(Refused, match="no name for a model"):
        stage.write(ModelVersion(name=name, version="1", type="x", digest="", created=0), streams(), {})


def test_the_champion_is_the_tagged_version_with_the_highest_promotion(stage: StageModels, tmp_path: Path) -> None:
    assert champion_of(stage, "shop") is None
    for number in ("9", "10", "2"):
        stage.write(draft(tmp_path, deployment="champion", promotion=number), streams(), {})
    stage.write(draft(tmp_path, promotion="30"), streams(), {})
    found = champion_of(stage, "shop")
    assert found is not None
    assert found.tags["promotion"] == "10"


def test_stages_are_the_usual_ones_those_of_the_settings_and_those_with_models(tmp_path: Path) -> None:
    assert stages(tmp_path, ()) == ["dev", "qa", "prod"]
    os.makedirs(tmp_path / "stages/canary")
    assert stages(tmp_path, ["prod", "test"]) == ["dev", "qa", "prod", "test", "canary"]
