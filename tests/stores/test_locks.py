import subprocess
import sys
import threading
import time
from pathlib import Path

from mlops_lib.stores.locks import exclusive, is_held

HOLD = """
import sys, time
from pathlib import Path
from mlops_lib.stores.locks import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_held_by_one_process_at_a_time_and_freed_by_its_death(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    with holder(path) as process:
        assert is_held(path)
        with exclusive(path, give_up=lambda: True) as held:
            assert not held
        process.kill()
        with exclusive(path) as held:
            assert held
            assert is_held(path)
    assert not is_held(path)


def test_threads_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        with exclusive(tmp_path / "lock"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_lock_that_its_holder_removes_is_not_taken_by_those_who_waited_for_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    order: list[str] = []

    def second() -> None:
        with exclusive(path):
            assert is_held(path), "what is held is what others see"
            order.append("second")

    with exclusive(path):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        path.unlink()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    # A new program starts an instant before the system closes what it must not have.
    assert any(not is_held(tmp_path / "lock") or time.sleep(0.01) for _ in range(5000))
    assert child.poll() is None
    child.communicate(b"\n")
