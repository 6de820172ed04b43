import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_lib.engines.local import process
from mlops_lib.engines.local.process import FreshProcess, Invocation, Process, describe_exit
from mlops_lib.errors import RunError


@pytest.fixture
def launcher() -> Iterator[FreshProcess]:
    launcher = FreshProcess()
    yield launcher
    launcher.close()


def invocation(folder: Path, command: str, **variables: str) -> Invocation:
    return Invocation(command=command, folder=folder, environment=os.environ | variables, log=folder / "log")


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.01)
    raise TimeoutError(path)


def gone(*pids: int) -> bool:
    return any(not any(map(lives, pids)) or time.sleep(0.02) for _ in range(5000))


def test_the_command_runs_in_its_folder_with_its_variables_and_writes_to_its_log(
    launcher: FreshProcess, tmp_path: Path
) -> None:
    ended = launcher.launch(invocation(tmp_path, "pwd; echo $WORD; echo oops >&2; cat; exit 3", WORD="héllo")).wait()
    assert ended.code == 3
    assert (tmp_path / "log").read_text() == f"{tmp_path}\nhéllo\noops\n"


def test_bash_reads_no_file_of_the_user(launcher: FreshProcess, tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("echo rc\n")
    (tmp_path / ".bash_profile").write_text("echo profile\n")
    launcher.launch(invocation(tmp_path, "echo x", HOME=str(tmp_path))).wait()
    assert (tmp_path / "log").read_text() == "x\n"


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``python tell.py`` tells what it was given."""
    folder = tmp_path_factory.mktemp("talker")
    (folder / "tell.py").write_text("import os, sys\nprint(sys.argv[1:], os.environ['PWD'], os.getcwd())\n")
    return folder


@settings(max_examples=25, deadline=None)
@given(words=st.lists(st.text(st.sampled_from("aB7é/._-=+%,:@~*?[]{}!^\t") , min_size=1, max_size=6), max_size=4),
       end=st.sampled_from(["", " ", "\n"]))
def test_a_program_gets_the_words_that_bash_makes_of_a_command(words: list[str], end: str, talker: Path) -> None:
    command = f"python tell.py {' '.join(words)}{end}"
    log = talker / "log"
    log.write_text("")
    launcher = FreshProcess()
    launcher.launch(invocation(talker, command, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")).wait()
    launcher.close()
    bash = ["bash", "--noprofile", "--norc", "-c", command]
    told = subprocess.run(bash, cwd=talker, check=False, capture_output=True, text=True)
    assert log.read_text() == told.stdout + told.stderr


def test_bash_is_there_for_what_only_bash_does(launcher: FreshProcess, tmp_path: Path) -> None:
    (tmp_path / "bash").symlink_to(shutil.which("bash") or "")
    assert launcher.launch(invocation(tmp_path, "python x", PATH=str(tmp_path))).wait().code == 127
    assert "python: command not found" in (tmp_path / "log").read_text()
    (tmp_path / "first").write_text("python() { echo mine $1; }\n")
    launcher.launch(invocation(tmp_path, "python x", BASH_ENV=str(tmp_path / "first"))).wait()
    assert (tmp_path / "log").read_text().endswith("mine x\n")


def test_stopping_asks_first_and_reaches_grandchildren(launcher: FreshProcess, tmp_path: Path) -> None:
    started = launcher.launch(invocation(tmp_path, "trap 'echo bye >> said; exit 9' TERM; sleep 600 & echo $! > child; wait"))
    child = int(wait_for(tmp_path / "child"))
    started.stop()
    assert started.wait().code == 9
    assert (tmp_path / "said").read_text() == "bye\n"
    assert gone(child)


@pytest.mark.parametrize("now", [True, False])
def test_what_does_not_listen_is_killed(
    now: bool, launcher: FreshProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE", 3600 if now else 0.3)
    started = launcher.launch(invocation(tmp_path, "trap '' TERM; echo $$ > ready; while :; do sleep 0.05; done"))
    wait_for(tmp_path / "ready")
    begun = time.monotonic()
    started.stop(now=now)
    assert started.wait().code == -signal.SIGKILL
    assert 0.3 * (not now) <= time.monotonic() - begun < 3600


def test_stopping_what_has_ended_does_nothing(launcher: FreshProcess, tmp_path: Path) -> None:
    started = launcher.launch(invocation(tmp_path, "true"))
    assert started.wait().code == 0
    started.stop()
    started.stop(now=True)


def test_stopping_from_many_threads_at_any_moment_is_safe(launcher: FreshProcess, tmp_path: Path) -> None:
    def stop_twice(started: Process) -> None:
        started.stop()
        started.stop(now=True)

    for _ in range(20):
        started = launcher.launch(invocation(tmp_path, "true"))
        threads = [threading.Thread(target=stop_twice, args=(started,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        started.wait()
        for thread in threads:
            thread.join()


def test_what_a_step_leaves_in_the_background_ends_with_it(launcher: FreshProcess, tmp_path: Path) -> None:
    begun = time.monotonic()
    assert (
        launcher.launch(invocation(tmp_path, "(trap '' HUP TERM; exec sleep 600) & echo $! > child; echo done")).wait().code == 0
    )
    assert time.monotonic() - begun < 200
    assert gone(int(wait_for(tmp_path / "child")))


KILLED = """
import os, signal, sys
from pathlib import Path
from mlops_lib.engines.local.process import FreshProcess, Invocation
folder = Path(sys.argv[1])
launcher = FreshProcess()
def start(command, name):
    return launcher.launch(Invocation(command=command, folder=folder, environment=os.environ, log=folder / name))
start("true", "short").wait()
start("echo $$ > one; sleep 600; :", "log")
start("(trap '' TERM HUP; exec sleep 600) & echo $$ $! > two; wait", "log")
print("started", flush=True)
sys.stdin.read()
"""


def test_steps_do_not_outlive_an_engine_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == "started\n"
        steps = [int(pid) for name in ("one", "two") for pid in wait_for(tmp_path / name).split()]
        assert len(steps) == 3
        assert all(map(lives, steps))
        engine.kill()
    assert gone(*steps)


def test_the_watchdog_goes_with_the_launcher(tmp_path: Path) -> None:
    launcher = FreshProcess()
    launcher.launch(invocation(tmp_path, "true")).wait()
    watchdog = launcher._watchdog._bash
    assert watchdog is not None
    assert watchdog.poll() is None
    launcher.close()
    assert watchdog.returncode == 0


def test_without_its_watchdog_steps_run_all_the_same(launcher: FreshProcess, tmp_path: Path) -> None:
    launcher.launch(invocation(tmp_path, "true")).wait()
    watchdog = launcher._watchdog._bash
    assert watchdog is not None
    watchdog.kill()
    watchdog.wait()
    assert launcher.launch(invocation(tmp_path, "true")).wait().code == 0


def test_peak_memory_is_the_steps_own_or_unknown(launcher: FreshProcess, tmp_path: Path) -> None:
    # The system's figure of a child starts at its parent's: here the tests' own, which is above a bare bash's.
    assert launcher.launch(invocation(tmp_path, "true")).wait().peak_memory is None
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    more = own + (100 << 20)
    big = f"{sys.executable} -c 'x = bytearray({more})'; true"
    peak = launcher.launch(invocation(tmp_path, big)).wait().peak_memory
    assert peak is not None
    assert more < peak < more + (100 << 20)


def test_what_cannot_be_started_says_why(launcher: FreshProcess, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="bash is not installed, or not in PATH"):
        launcher.launch(invocation(tmp_path, "true", PATH=str(tmp_path)))
    with pytest.raises(RunError, match="too long for this system"):
        launcher.launch(invocation(tmp_path, "true", LONG="x" * (1 << 20)))
    (tmp_path / "log").mkdir() if not (tmp_path / "log").exists() else (tmp_path / "log").unlink()
    (tmp_path / "log").mkdir(exist_ok=True)
    with pytest.raises(RunError, match="Is a directory"):
        launcher.launch(invocation(tmp_path, "true"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "exited with code 1"),
        (127, "exited with code 127 (a command was not found)"),
        (255, "exited with code 255"),
        (-15, "was killed by SIGTERM"),
        (137, "was killed by SIGKILL (out of memory?)"),
        (-9, "was killed by SIGKILL (out of memory?)"),
    ],
)
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


def test_a_command_may_be_longer_than_an_argument_of_the_system(launcher: FreshProcess, tmp_path: Path) -> None:
    (tmp_path / "wd").mkdir()
    long = Invocation(
        command=f"echo '{'é' * 200_000}' | wc -m",
        folder=tmp_path / "wd",
        environment=os.environ | {"LC_ALL": "C.UTF-8"},
        log=tmp_path / "log",
    )
    assert launcher.launch(long).wait().code == 0
    assert (tmp_path / "log").read_text() == "200001\n"
