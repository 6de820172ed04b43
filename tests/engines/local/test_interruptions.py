"""Runs that are stopped, killed, or at work at the same time: real ``mlops run`` processes."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WAIT_FOR = "for i in $(seq 4000); do test -e {0} && break; sleep 0.05; done; test -e {0}"


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def slow(project: Callable[..., Any]) -> Any:
    """``quick`` ends at once; ``slow``, which reads its output, writes its pids to ``pids`` and waits for the file ``go``."""
    shop = project()
    root = shop.root
    shop.component("quick", f"echo x >> {root}/count; echo 1 > ${{{{outputs.out}}}}", outputs={"out": "uri_file"})
    shop.component(
        "slow",
        f"cp ${{{{inputs.x}}}} ${{{{outputs.out}}}}; (trap '' HUP; {WAIT_FOR.format(f'{root}/go')}; true) & "
        f"echo $$ $! > {root}/pids.new; mv {root}/pids.new {root}/pids; wait $! && test -e {root}/go",
        inputs={"x": "uri_file"},
        outputs={"out": "uri_file"},
    )
    shop.pipeline(
        {"quick": "quick", "slow": ("slow", {"x": "${{parent.jobs.quick.outputs.out}}"})},
        outputs={"out": "${{parent.jobs.slow.outputs.out}}"},
    )
    return shop


def begin(shop: Any, first: str, *arguments: str) -> "subprocess.Popen[str]":
    """``mlops``, loaded, and after the statement *first*."""
    program = f"from mlops_lib.cli import main\n{first}\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], cwd=shop.root, env=shop.environment(), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def pids(shop: Any) -> list[int]:
    wait_until((shop.root / "pids").exists)
    return [int(pid) for pid in (shop.root / "pids").read_text().split()]


def is_clean(shop: Any) -> bool:
    folder = shop.root / ".mlops"
    return list((folder / "work").iterdir()) == [] and list((folder / "locks").glob("run-*")) == []


def end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    with process:
        out, err = process.communicate(timeout=120)
    assert "Traceback" not in out + err, err
    return process.returncode, err


def claims(process: "subprocess.Popen[str]") -> bool:
    """Whether a run is at a step that it wants to be alone with: at work with it, or waiting for another run that is."""
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if descriptor.readlink().name.startswith("claim-"):
                return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_stops_its_steps_and_keeps_what_finished(number: signal.Signals, slow: Any) -> None:
    process = slow.start("run", "p")
    steps = pids(slow)
    # As a terminal does it: to the whole process group. Steps have groups of their own.
    os.killpg(process.pid, number)
    code, err = end(process)
    assert code == 130
    run = re.search(r"^run (\S+):", err, re.MULTILINE)
    assert run is not None
    assert err.endswith(f"canceled\n  why: finished steps are kept\n  fix: go on with: mlops runs resume {run[1]}\n")
    assert "slow: canceled" in err
    assert not any(map(lives, steps))
    shown = slow.json("runs", "show")
    assert shown["status"] == "canceled"
    assert {step["name"]: step["status"] for step in shown["steps"]} == {"quick": "completed", "slow": "canceled"}
    assert is_clean(slow)
    (slow.root / "go").touch()
    resumed = slow.json("runs", "resume", run[1])
    assert {name: step["status"] for name, step in resumed["steps"].items()} == {"quick": "reused", "slow": "completed"}
    assert lines(slow.root / "count") == 1


def test_a_second_interrupt_does_not_wait_for_steps_that_do_not_listen(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("deaf", f"trap 'touch {shop.root}/asked' TERM; touch {shop.root}/ready; while :; do sleep 0.1; done")
    shop.pipeline({"deaf": "deaf"})
    # an hour to end by itself: whatever is over sooner was not waited for
    process = begin(shop, "from mlops_lib.engines.local import process; process.GRACE = 3600", "run", "p")
    wait_until((shop.root / "ready").exists)
    os.killpg(process.pid, signal.SIGINT)
    wait_until((shop.root / "asked").exists)
    assert process.poll() is None, "a step has some time to end by itself"
    os.killpg(process.pid, signal.SIGINT)
    assert end(process)[0] == 130
    assert is_clean(shop)


def test_interrupts_at_any_moment_end_in_an_orderly_way(slow: Any) -> None:
    generator = random.Random(7)
    for _ in range(8):
        process = begin(slow, "print('ours', flush=True)", "run", "p", "--no-cache")  # what is before is Python's own
        assert process.stdout is not None
        assert process.stdout.readline() == "ours\n"
        time.sleep(generator.random() * 0.6)
        os.killpg(process.pid, signal.SIGINT)
        with process:
            _, err = process.communicate(timeout=120)
        # In the middle of an import, the signal is also Python's own: to a shell both are 130.
        assert process.returncode in (130, -signal.SIGINT), err
        assert "Traceback" not in err or " import " in err or "importlib" in err, err
    (slow.root / "go").touch()
    assert slow.mlops("run", "p")
    assert is_clean(slow)


INTERRUPTED = """
import sys
class Field:
    def __set_name__(self, owner, name): raise KeyboardInterrupt
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "mlops_lib.progress":
            class Record: field = Field()
sys.meta_path.insert(0, Finder())
"""


def test_an_interrupt_while_an_import_makes_a_class_is_one(slow: Any) -> None:
    assert end(begin(slow, INTERRUPTED, "run", "p")) == (130, "canceled\n")


def test_a_killed_engine_leaves_no_step_behind_and_the_next_run_goes_on(slow: Any) -> None:
    process = slow.start("run", "p")
    steps = pids(slow)
    process.kill()
    end(process)
    wait_until(lambda: not any(map(lives, steps)))
    shown = slow.json("runs", "show")
    assert shown["status"] == "interrupted"
    assert {step["name"]: step["status"] for step in shown["steps"]} == {"quick": "completed", "slow": "interrupted"}
    (slow.root / "go").touch()
    resumed = slow.json("runs", "resume")
    assert {name: step["status"] for name, step in resumed["steps"].items()} == {"quick": "reused", "slow": "completed"}
    assert is_clean(slow)


def test_kills_at_random_moments_never_leave_half_a_result(project: Callable[..., Any]) -> None:
    shop = project("a b")  # the way to such a project is a link, which a killed run leaves behind
    shop.component(
        "write",
        "for i in 1 2 3 4 5 6; do echo ${{inputs.n}} > ${{outputs.out}}/$i; sleep 0.01; done",
        inputs={"n": "integer"},
        outputs={"out": "uri_folder"},
    )
    shop.component(
        "sum",
        "cat " + " ".join(f"${{{{inputs.i{n}}}}}/*" for n in range(5)) + " > ${{outputs.out}}",
        inputs={f"i{n}": "uri_folder" for n in range(5)},
        outputs={"out": "uri_file"},
    )
    shop.pipeline(
        {f"s{n}": ("write", {"n": n}) for n in range(5)}
        | {"sum": ("sum", {f"i{n}": f"${{{{parent.jobs.s{n}.outputs.out}}}}" for n in range(5)})},
        outputs={"out": "${{parent.jobs.sum.outputs.out}}"},
    )
    begun = time.monotonic()
    end(shop.start("run", "p"))
    whole = time.monotonic() - begun
    generator = random.Random(11)
    killed = attempt = 0
    while killed < 8:
        attempt += 1
        process = shop.start("run", "p", *(["--no-cache"] if attempt % 2 else []))
        time.sleep(whole * (0.3 + generator.random() * 0.6))
        if process.poll() is None:
            killed += 1
            process.kill()
        elif attempt % 2:
            whole *= 0.8  # the machine has more time for it than it had
        end(process)
    last = shop.json("run", "p")
    assert last["status"] == "completed"
    assert Path(last["outputs"]["out"]["path"]).read_text() == "".join(f"{n}\n" * 6 for n in range(5))
    assert is_clean(shop)
    wait_until(
        lambda: (
            not [
                pid
                for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))
                if str(shop.root).encode() in _command_line(pid)
            ]
        )
    )


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_two_runs_at_once_share_a_step_that_both_need(slow: Any) -> None:
    root = slow.root
    slow.component(
        "quick",
        f"echo x >> {root}/count; {WAIT_FOR.format(f'{root}/go')}; echo 1 > ${{{{outputs.out}}}}",
        outputs={"out": "uri_file"},
    )
    processes = [slow.start("run", "p", "--json") for _ in range(2)]
    wait_until(lambda: (root / "count").exists() and all(map(claims, processes)))  # one of them waits
    (root / "go").touch()
    assert [end(process)[0] for process in processes] == [0, 0]
    assert lines(root / "count") == 1
    runs = slow.json("runs", "list")
    reasons = [
        step["reason"] for run in runs for step in slow.json("runs", "show", run["run"])["steps"] if step["name"] == "quick"
    ]
    assert sorted(reasons) == ["has just been made", "never ran here"]


def test_a_run_goes_on_when_the_one_that_it_waits_for_is_killed(slow: Any) -> None:
    first = slow.start("run", "p")
    pids(slow)
    (slow.root / "pids").unlink()
    second = slow.start("run", "p", "--json")
    wait_until(lambda: claims(second))
    assert not (slow.root / "pids").exists(), "the second waits for the step of the first"
    first.kill()
    end(first)
    pids(slow)
    (slow.root / "go").touch()
    assert end(second)[0] == 0


def test_eight_first_runs_at_once(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", f"echo x >> {shop.root}/count; sleep 0.1; echo 1 > ${{{{outputs.out}}}}", outputs={"out": "uri_file"})
    shop.pipeline({"c": "c"}, outputs={"out": "${{parent.jobs.c.outputs.out}}"})
    processes = [shop.start("run", "p") for _ in range(8)]
    for process in processes:
        code, err = end(process)
        assert code == 0, err
    assert lines(shop.root / "count") == 1
    assert {run["status"] for run in shop.json("runs", "list")} == {"completed"}
    assert len(shop.json("runs", "list")) == 8
    assert is_clean(shop)
