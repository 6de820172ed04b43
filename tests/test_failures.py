"""Whatever goes wrong is one clear error with the right exit code, and nothing that was stored is lost."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NOBODY = 65534


def can_mount() -> bool:
    command = ["unshare", "-m", "bash", "-c", "mount -t tmpfs -o size=1m none /tmp"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="needs the right to mount")


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def is_as_good_as_before(shop: Any) -> None:
    """What was stored is found, and there is no rubbish."""
    done = shop.json("run", "p")
    assert {step["status"] for step in done["steps"].values()} == {"reused"}
    assert Path(done["outputs"]["result"]["path"]).read_text() == "one\ntwo\n"
    assert list((shop.root / ".mlops/work").iterdir()) == []


@pytest.fixture
def done(copying: Any) -> Any:
    """A project whose pipeline has run once."""
    copying.mlops("run", "p")
    return copying


# --- what the user gets wrong ----------------------------------------------------------------------------------------


def test_a_missing_file_is_found_before_anything_runs(done: Any) -> None:
    (done.root / "data").rename(done.root / "elsewhere")
    for command in ("run", "plan", "validate"):
        result = done.mlops(command, *(["p"] if command != "validate" else []), expect=2)
        assert "pipelines/p.yml:1:" in result.stdout + result.stderr
        assert "'../data' does not exist" in result.stdout + result.stderr
    (done.root / "elsewhere").rename(done.root / "data")
    is_as_good_as_before(done)


def test_a_wrong_value_is_found_before_anything_runs(done: Any) -> None:
    done.component(
        "add",
        "head -${{inputs.line}} ${{inputs.before}}/in.txt > ${{outputs.out}}",
        inputs={"before": "uri_folder", "line": {"type": "integer", "max": 3}},
        outputs={"out": "uri_file"},
    )
    for value in ("nine", "4"):
        assert value in done.mlops("run", "p", "--set", f"line={value}", expect=2).stderr


def test_a_step_that_fails_leaves_the_rest_as_it_was(done: Any) -> None:
    good = (done.root / "components/add/component.yml").read_text()
    done.component(
        "add",
        "echo half > ${{outputs.out}}; echo ${{inputs.before}}${{inputs.line}} ; nosuchprogram",
        inputs={"before": "uri_folder", "line": "string"},
        outputs={"out": "uri_file"},
    )
    result = done.mlops("run", "p", expect=1)
    assert "step 'second' exited with code 127 (a command was not found)" in result.stderr
    assert "nosuchprogram" in result.stderr
    done.write("components/add/component.yml", good)
    is_as_good_as_before(done)


def test_data_that_disappears_while_the_run_is_at_work_fails_the_step_that_reads_it(project: Callable[..., Any]) -> None:
    shop = project()
    shop.write("data/x", "x")
    shop.component("remove", f"rm {shop.root}/data/x; echo > ${{{{outputs.out}}}}", outputs={"out": "uri_file"})
    shop.component(
        "read",
        "cat ${{inputs.d}}/x ${{inputs.after}} > ${{outputs.out}}",
        inputs={"d": "uri_folder", "after": "uri_file"},
        outputs={"out": "uri_file"},
    )
    shop.pipeline(
        {
            "remove": "remove",
            "read": ("read", {"d": {"type": "uri_folder", "path": "../data"}, "after": "${{parent.jobs.remove.outputs.out}}"}),
        }
    )
    result = shop.mlops("run", "p", expect=1)
    assert "step 'read' exited with code 1" in result.stderr
    shop.component(
        "read",
        "true ${{inputs.after}} ${{inputs.d}}; echo > ${{outputs.out}}",
        inputs={"d": "uri_folder", "after": "uri_file"},
        outputs={"out": "uri_file"},
    )
    shop.write("data/x", "x")
    result = shop.mlops("run", "p", "--no-cache", expect=1)
    assert "step 'read' had its input d changed while it ran" in result.stderr


# --- what the machine lacks ------------------------------------------------------------------------------------------


def test_without_bash_it_says_so(done: Any, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    result = done.mlops("run", "p", "--no-cache", variables={"PATH": str(tmp_path / "bin")}, expect=1)
    assert last_lines(result, 3) == [
        "bash is not installed, or not in PATH",
        "  why: Azure ML runs a component's command with bash",
        "  fix: install bash",
    ]
    assert done.json("runs", "show")["status"] == "failed"
    is_as_good_as_before(done)


def last_lines(result: Any, count: int) -> list[str]:
    return str(result.stderr).splitlines()[-count:]


def test_without_git_nothing_is_missing(done: Any, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for program in ("bash", "cp", "cat"):
        (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    result = done.mlops("run", "p", "--no-cache", variables={"PATH": str(tmp_path / "bin")})
    assert "git" not in result.stderr


@pytest.mark.parametrize("damage", ["rubbish", "cut"])
def test_damaged_records_are_one_error_that_says_what_to_do(damage: str, done: Any) -> None:
    file = done.root / ".mlops/records.db"
    data = file.read_bytes()
    file.write_bytes(b"rubbish" * 3000 if damage == "rubbish" else data[:5000])
    for arguments in (["run", "p"], ["plan", "p"], ["runs", "list"]):
        result = done.mlops(*arguments, expect=1)
        assert result.stderr.startswith(f"the records in {done.root}/.mlops are damaged: ")
        assert f"fix: move {done.root}/.mlops/records.db* away: results are computed again" in result.stderr
    assert done.mlops("validate")
    for path in (done.root / ".mlops").glob("records.db*"):
        path.unlink()
    assert done.json("run", "p")["steps"]["first"]["status"] == "completed"
    is_as_good_as_before(done)


def test_records_of_a_newer_version_are_left_alone(done: Any) -> None:
    store = done.store()
    store.database.write("PRAGMA user_version=99")
    store.close()
    result = done.mlops("run", "p", expect=1)
    assert "was written by a newer version of mlops-lib\n  fix: upgrade mlops-lib" in result.stderr


# --- full disks ------------------------------------------------------------------------------------------------------

FULL = """
mount -t tmpfs -o size=3m none "$SHOP/.mlops" || exit 99
cd "$SHOP"
"$PYTHON" -m mlops_lib run small --json > first.json || exit 98
"""


def on_a_small_disk(shop: Any, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script where ``.mlops`` is a disk of 3 MB, and the pipeline ``small`` has run."""
    (shop.root / ".mlops").mkdir(exist_ok=True)
    result = subprocess.run(
        ["unshare", "-m", "bash", "-c", FULL + script],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=shop.environment(SHOP=str(shop.root), PYTHON=sys.executable, WORK="$SHOP/.mlops/work"),
    )
    assert result.returncode < 98, result.stderr
    assert "Traceback" not in result.stdout + result.stderr, result.stderr
    return result


@pytest.fixture
def small_disk(project: Callable[..., Any]) -> Any:
    shop = project()
    shop.component(
        "write",
        "head -c ${{inputs.size}} /dev/zero > ${{outputs.out}}",
        inputs={"size": "integer"},
        outputs={"out": "uri_file"},
    )
    shop.pipeline({"small": ("write", {"size": 1000})}, name="small")
    shop.pipeline({"small": ("write", {"size": 1000}), "big": ("write", {"size": 5_000_000})}, name="big")
    shop.pipeline({"small": ("write", {"size": 1000}), "more": ("write", {"size": 2000})}, name="more")
    return shop


@needs_mounts
def test_a_disk_that_is_full_while_a_step_writes_fails_the_step(small_disk: Any) -> None:
    result = on_a_small_disk(
        small_disk,
        """
"$PYTHON" -m mlops_lib run big; echo "code $?"
"$PYTHON" -m mlops_lib run small --json > second.json; echo "code $?"
find .mlops/work -mindepth 1
""",
    )
    assert result.stdout == "code 1\ncode 0\n"
    assert "step 'big' exited with code 1\n  why: the disk is full; the end of its log" in result.stderr
    assert json.loads((small_disk.root / "second.json").read_text())["steps"]["small"]["status"] == "reused"


@needs_mounts
def test_a_disk_that_is_full_for_the_engine_stops_the_run_and_it_goes_on_when_there_is_room(small_disk: Any) -> None:
    result = on_a_small_disk(
        small_disk,
        """
head -c 10000000 /dev/zero > .mlops/filler 2>/dev/null
"$PYTHON" -m mlops_lib run more; echo "code $?"
"$PYTHON" -m mlops_lib plan more > /dev/null; echo "plan $?"
"$PYTHON" -m mlops_lib validate; echo "validate $?"
rm .mlops/filler
"$PYTHON" -m mlops_lib run more --json > second.json; echo "code $?"
""",
    )
    assert result.stdout == "code 1\nplan 0\nvalidate 0\ncode 0\n", result.stderr
    assert "the disk is full" in result.stderr
    assert "fix: free some space and start again: finished steps are reused" in result.stderr
    steps = json.loads((small_disk.root / "second.json").read_text())["steps"]
    assert {name: step["status"] for name, step in steps.items()} == {"small": "reused", "more": "completed"}


@needs_mounts
def test_a_disk_that_fills_up_at_any_moment_keeps_what_was_stored(small_disk: Any) -> None:
    # The room that is left grows from run to run: each time something else no longer fits.
    result = on_a_small_disk(
        small_disk,
        """
for kilobytes in 0 4 8 16 24 32 48 64 96 128 192 256; do
    head -c 10000000 /dev/zero > .mlops/filler 2>/dev/null
    truncate -s -${kilobytes}K .mlops/filler
    "$PYTHON" -m mlops_lib run more --no-cache > /dev/null; echo "code $?"
done
rm .mlops/filler
"$PYTHON" -m mlops_lib run more > /dev/null; echo "last $?"
"$PYTHON" -m mlops_lib run more --json > second.json; echo "last $?"
find .mlops/work -mindepth 1
""",
    )
    told = result.stdout.splitlines()
    assert told[-2:] == ["last 0", "last 0"], result.stderr
    assert set(told[:-2]) <= {"code 0", "code 1"}
    assert "code 1" in told
    assert {step["status"] for step in json.loads((small_disk.root / "second.json").read_text())["steps"].values()} == {
        "reused"
    }


# --- missing rights --------------------------------------------------------------------------------------------------


def read_only(shop: Any, *arguments: str) -> Any:
    """Run ``mlops`` where the project cannot be written to, by nobody."""
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@"'
    return shop.mlops(*arguments, prefix=["unshare", "-m", "bash", "-c", script, str(shop.root)], expect=None)


@needs_mounts
@pytest.mark.parametrize("ran", [True, False])
def test_a_read_only_project_can_be_checked_and_planned_and_refuses_to_run(ran: bool, copying: Any) -> None:
    if ran:
        copying.mlops("run", "p")
    assert read_only(copying, "validate").returncode == 0
    plan = read_only(copying, "plan", "p")
    assert plan.returncode == 0, plan.stderr
    assert [line.split()[1] for line in plan.stdout.splitlines()] == (["reuse"] * 2 if ran else ["run", "depends"])
    listed = read_only(copying, "runs", "list", "--json")
    assert len(json.loads(listed.stdout)) == int(ran)
    result = read_only(copying, "run", "p")
    assert result.returncode == 1
    assert result.stderr.startswith(f"not allowed to write: {copying.root}/.mlops")
    assert "fix: make the project writable" in result.stderr
    if ran:
        is_as_good_as_before(copying)


# Root as anybody else: what a file's mode says counts.
MORTAL = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")
needs_mortality = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs to be root, and setpriv"
)


@needs_mortality
def test_files_of_somebody_else_are_named(copying: Any) -> None:
    os.chown(copying.root, NOBODY, NOBODY)
    copying.root.chmod(0o700)
    result = copying.mlops("run", "p", prefix=MORTAL, expect=2)
    assert result.stderr.startswith(f"no project in {copying.root} or above it\n  why: ")
    assert f"; not allowed to look into {copying.root}\n" in result.stderr
    copying.root.chmod(0o755)
    result = copying.mlops("run", "p", prefix=MORTAL, expect=1)
    assert result.stderr.startswith(f"not allowed to write: {copying.root}/.mlops")
    assert f"for user {os.getuid()}" in result.stderr
    assert [line.split()[1] for line in copying.mlops("plan", "p", prefix=MORTAL).stdout.splitlines()] == ["run", "depends"]
    (copying.root / "data/in.txt").chmod(0o000)
    result = copying.mlops("plan", "p", prefix=MORTAL, expect=2)
    assert f"the data '../data' cannot be read: Permission denied: {copying.root}/data/in.txt" in result.stderr


@needs_mortality
def test_records_that_only_somebody_else_may_write_can_be_read(done: Any) -> None:
    for folder, _, files in os.walk(done.root / ".mlops"):
        for path in (folder, *(os.path.join(folder, file) for file in files)):
            os.chown(path, NOBODY, NOBODY)
            os.chmod(path, 0o755 if path == folder else 0o644)
    assert len(json.loads(done.mlops("runs", "list", "--json", prefix=MORTAL).stdout)) == 1
    assert "not allowed to write" in done.mlops("run", "p", prefix=MORTAL, expect=1).stderr
    (done.root / ".mlops").chmod(0o700)
    for command in (("runs", "list"), ("plan", "p"), ("run", "p")):
        said = done.mlops(*command, prefix=MORTAL, expect=1).stderr
        assert said.startswith(f"not allowed to {'write' if command[0] == 'run' else 'read'}: {done.root}/.mlops"), said


@needs_mortality
def test_without_special_rights_everything_works_and_artifacts_are_protected(copying: Any) -> None:
    first = copying.mlops("run", "p", "--output", "result=out.txt", prefix=MORTAL)
    assert "2 completed" in first.stderr
    assert "2 reused" in copying.mlops("run", "p", prefix=MORTAL).stderr
    assert "2 completed" in copying.mlops("run", "p", "--no-cache", prefix=MORTAL).stderr
    assert list((copying.root / ".mlops/work").iterdir()) == []
    for artifact in (copying.root / ".mlops/artifacts").glob("*/*"):
        spoil = [*MORTAL, "bash", "-c", f"touch {artifact}/x; echo > $(find {artifact} -type f)"]
        assert subprocess.run(spoil, capture_output=True, text=True, check=False).stderr.count("Permission denied") == 2
    assert "2 reused" in copying.mlops("run", "p", prefix=MORTAL).stderr
    moved = copying.root / "moved"
    copying.mlops("run", "p", "--output", f"result={moved}", prefix=MORTAL)
    assert os.access(moved, os.W_OK)


@needs_mortality
def test_what_a_step_locks_up_in_its_workplace_is_removed_all_the_same(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "mkdir -p a/b/c && touch a/b/c/x && chmod 000 a/b/c a/b a")
    shop.pipeline({"c": "c"})
    shop.mlops("run", "p", prefix=MORTAL)
    assert list((shop.root / ".mlops/work").iterdir()) == []
