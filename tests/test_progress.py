import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mlops_lib.engines import Noticed, Preparing, StepFinished, StepPrinted, StepStarted
from mlops_lib.progress import LiveTable, live_progress, megabytes, outcome, plain_progress
from mlops_lib.stores.records import Status, StepRecord

ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def on_a_terminal(
    shop: Any, *arguments: str, columns: int = 100, variables: Mapping[str, str | None] | None = None
) -> tuple[int, str]:
    """Run ``mlops`` with a terminal as stderr and stdout: its exit code and all it wrote there.

    The file ``seen`` is made once the word "working" is on the terminal.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = shop.environment(
        **({"TERM": "xterm-256color", "COLUMNS": None, "LINES": None, "FORCE_COLOR": None} | dict(variables or {}))
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "mlops_lib", *arguments],
        cwd=shop.root,
        env=environment,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    written = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:
            break
        if not block:
            break
        written += block
        if b"working" in written:
            (shop.root / "seen").touch()
    os.close(ours)
    return process.wait(120), written.decode("utf-8", "replace")


@pytest.fixture
def mixed(project: Callable[..., Any]) -> Any:
    """A pipeline with a step of every ending; ``fine`` goes on until the file ``seen`` is there."""
    shop = project()
    wait = f"for i in $(seq 4000); do test -e {shop.root}/seen && break; sleep 0.05; done"
    shop.component("fine", f"echo '\x1b[31mworking\x1b[0m'; {wait}; echo > ${{{{outputs.out}}}}", outputs={"out": "uri_file"})
    shop.component("quick", "echo > ${{outputs.out}}", outputs={"out": "uri_file"})
    shop.component("fail", "echo no >&2; : ${{outputs.out}}; exit 1", outputs={"out": "uri_file"})
    shop.component("need", "cp ${{inputs.x}} ${{outputs.out}}", inputs={"x": "uri_file"}, outputs={"out": "uri_file"})
    shop.pipeline({"quick": "quick"})
    shop.run()
    shop.pipeline(
        {"quick": "quick", "fine": "fine", "fail": "fail", "late": ("need", {"x": "${{parent.jobs.fail.outputs.out}}"})}
    )
    return shop


def test_a_terminal_shows_every_step_live_and_keeps_the_last_view(mixed: Any) -> None:
    code, screen = on_a_terminal(mixed, "run", "p")
    assert code == 1
    assert "Traceback" not in screen
    assert "\x1b[" in screen
    assert "working" in screen, "what a step prints stands beside its name while it runs"
    assert "\x1b[31mworking" not in screen
    text = ESCAPE.sub("", screen)
    for line in (
        r"↺ +quick +reused +nothing changed since",
        r"✓ +fine +done +\S",
        r"✗ +fail +failed +\S",
        r"– +late +skipped +fail did not finish",
    ):
        assert re.search(line, text), line
    assert re.search(r"p-\d{8}-\d{6}-\w+  4/4", text)
    assert "step 'fail' exited with code 1" in text
    assert re.search(r"failed in .*\(", text)


@pytest.mark.parametrize("columns", [1, 10, 30])
def test_a_narrow_terminal_does_no_harm(columns: int, mixed: Any) -> None:
    (mixed.root / "seen").touch()  # there may be no room for what a step prints
    code, screen = on_a_terminal(mixed, "run", "p", columns=columns)
    assert code == 1
    assert "Traceback" not in screen


def test_no_color_means_none(mixed: Any) -> None:
    _, screen = on_a_terminal(mixed, "run", "p", variables={"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", screen), "no colour, though the view still moves"
    _, screen = on_a_terminal(mixed, "run", "nope", variables={"NO_COLOR": "1"})
    assert "\x1b" not in screen
    _, screen = on_a_terminal(mixed, "plan", "p", variables={"NO_COLOR": "1"})
    assert "\x1b" not in screen


def test_a_dumb_terminal_gets_plain_lines(mixed: Any) -> None:
    code, screen = on_a_terminal(mixed, "run", "p", variables={"TERM": "dumb"})
    assert code == 1
    assert "\x1b" not in screen
    assert "fine: started" in screen
    assert "fine | working" in screen


def test_errors_on_a_terminal_show_the_line_and_point_at_it(mixed: Any) -> None:
    mixed.write("components/fine/component.yml", "type: command\nname: fine\nenvironment: azureml:x@latest\ncommnd: ls\n")
    code, screen = on_a_terminal(mixed, "run", "p")
    assert code == 2
    text = ESCAPE.sub("", screen).replace("\r", "")
    assert "components/fine/component.yml:4:1: " in text
    assert "  | commnd: ls\n  | ^^^^^^\n" in text
    assert "\x1b[31m" in screen


def test_elsewhere_there_are_plain_lines(mixed: Any) -> None:
    (mixed.root / "seen").touch()
    done = mixed.mlops("run", "p", expect=1)
    told = done.stderr.splitlines()
    assert re.fullmatch(r"run p-\S+: 4 steps, 1 to reuse", told[0])
    assert {"fine: started", "fine | working", "fail | no", "late: skipped (fail did not finish)"} <= set(told)
    assert [line for line in told if line.startswith("fine: done (")]
    assert "\x1b" not in done.stderr


def record(name: str, status: Status = Status.COMPLETED, **more: Any) -> StepRecord:
    return StepRecord(run="r", name=name, position=0, status=status, **more)


def test_a_large_pipeline_shows_what_is_at_work(copying: Any) -> None:
    copying.run()
    (started, *_) = copying.events
    names = [f"step{number}" for number in range(1000)]
    out = io.StringIO()
    with live_progress(out) as listen:
        listen(
            type(started)(
                started.run,
                type(started.plan)(
                    graph=started.plan.graph, facts=started.plan.facts, steps=dict.fromkeys(names, started.plan.steps["first"])
                ),
            )
        )
        for name in names[:500]:
            listen(StepStarted(name, "true"))
            listen(StepPrinted(name, ("a", "b", "")))
            if name != "step7":
                listen(StepFinished(name, record(name, seconds=1.0)))
    assert "step7" in out.getvalue()
    assert "step8" not in out.getvalue()
    assert "499/1000" in out.getvalue()


def test_a_step_that_is_tried_again_is_at_work_again() -> None:
    table = LiveTable()
    for event in (StepStarted("a", "true"), StepFinished("a", record("a", Status.FAILED)), StepStarted("a", "true")):
        table.take(event)
    assert (list(table.started), table.finished) == (["a"], {})


def test_a_notice_stands_above_the_live_view() -> None:
    out = io.StringIO()
    with live_progress(out) as listen:
        listen(Noticed("cost: at most [1.00] EUR"))
    assert "cost: at most [1.00] EUR" in out.getvalue()


def test_what_comes_before_the_run_is_told_too() -> None:
    out = io.StringIO()
    with live_progress(out):
        pass
    assert "planning  " in out.getvalue()
    with live_progress(out) as listen:
        listen(Preparing("asking stage 'dev' for what the pipeline needs"))
    assert "asking stage 'dev' for what the pipeline needs  " in out.getvalue()


def test_plain_lines_are_written_at_once() -> None:
    out = io.StringIO()
    listen = plain_progress(out)
    listen(Preparing("asking"))
    listen(Noticed("cost: at most 1.00 EUR"))
    assert out.getvalue() == "asking\ncost: at most 1.00 EUR\n"
    out.truncate(0)
    out.seek(0)
    listen(StepStarted("a", "true"))
    assert out.getvalue() == "a: started\n"
    listen(StepPrinted("a", ("x", "")))
    listen(StepFinished("a", record("a", Status.CANCELED, reason="the run was stopped")))
    assert out.getvalue() == "a: started\na | x\na | \na: canceled (the run was stopped)\n"


def test_an_outcome_is_time_and_memory_or_the_reason() -> None:
    assert outcome(record("a", seconds=1.5, peak_memory=300 << 20)) == "1.5 s, 300 MB"
    assert outcome(record("a", seconds=1.5)) == "1.5 s"
    assert outcome(record("a", Status.REUSED, reason="nothing changed")) == "nothing changed"


@pytest.mark.parametrize(
    ("size", "words"),
    [(None, "–"), (0, "0 B"), (1023, "1023 B"), (1 << 10, "1.0 kB"), (15 << 20, "15 MB"), (int(2.5 * (1 << 30)), "2.5 GB")],
)
def test_sizes_as_people_read_them(size: int | None, words: str) -> None:
    assert megabytes(size) == words
