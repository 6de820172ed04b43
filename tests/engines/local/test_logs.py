import time
import tracemalloc
from pathlib import Path

from mlops_lib.engines.local.logs import Follower, tail


def told(follower: Follower, *, ended: bool = False) -> list[str]:
    return [line for lines in follower.lines(ended=ended) for line in lines]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_each_line_is_told_once_and_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    follower = Follower(log)
    assert told(follower) == []
    append(log, b"one\ntw")
    assert told(follower) == ["one"]
    assert told(follower) == []
    append(log, b"o\n\nthree")
    assert told(follower) == ["two", ""]
    assert told(follower, ended=True) == ["three"]
    assert told(follower, ended=True) == []


def test_a_character_that_arrives_in_two_parts_is_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    follower = Follower(log)
    append(log, "a ☃".encode()[:-1])
    assert told(follower) == []
    append(log, "☃".encode()[-1:] + b"\n")
    assert told(follower) == ["a ☃"]


def test_of_a_progress_bar_its_last_state_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append(log, b"\r 10 %\r 90 %\r100 %\ndos line\r\n")
    assert told(Follower(log)) == ["100 %", "dos line"]


def test_what_a_terminal_would_obey_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append(log, b"\x1b[1;31mred\x1b[0m\x07 \x1b]0;title\x07\tand \x1b[2K\x00\xff bytes\n")
    assert told(Follower(log)) == ["red \tand � bytes"]


def test_a_line_without_an_end_is_told_in_parts_and_read_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    follower = Follower(log)
    lines = []
    for _ in range(30):
        append(log, b"x" * 30_000)
        lines += told(follower)
    lines += told(follower, ended=True)
    assert sum(map(len, lines)) == 900_000
    assert max(map(len, lines)) < 200_000


def test_a_hundred_megabytes_at_once_cost_little_time_and_memory(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append(log, (b"x" * 99 + b"\n") * 1_000_000)
    follower = Follower(log)
    tracemalloc.start()
    begun = time.process_time()
    lines = told(follower, ended=True)
    assert time.process_time() - begun < 1
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()
    assert lines[0] == "… 95 MB are left out here, and kept in the log"
    assert lines[-1] == "x" * 99
    assert len(lines) > 100


def test_the_end_of_a_log_is_its_last_lines_that_say_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append(log, b"a\n\n" + b"y" * 100_000 + b"\nb\nc\n\n")
    assert tail(log, 2) == ["b", "c"]
    assert tail(log, 3) == ["y" * 300 + " …", "b", "c"]
    assert tail(tmp_path / "none", 3) == []
