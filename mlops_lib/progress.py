"""A run as it happens: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from .engines import Event, Listener, Noticed, Preparing, RunStarted, StepFinished, StepPrinted, StepStarted
from .errors import duration
from .plan import Action
from .stores.records import Status, StepRecord

if TYPE_CHECKING:
    from rich.console import RenderableType

_WORDS = {Status.COMPLETED: "done", Status.REUSED: "reused", Status.FAILED: "failed", Status.SKIPPED: "skipped",
          Status.CANCELED: "canceled"}
_STYLES = {Status.COMPLETED: "green", Status.REUSED: "cyan", Status.FAILED: "bold red", Status.SKIPPED: "yellow",
           Status.CANCELED: "yellow"}
_SIGNS = {Status.COMPLETED: "✓", Status.REUSED: "↺", Status.FAILED: "✗", Status.SKIPPED: "–", Status.CANCELED: "–"}


def outcome(record: StepRecord) -> str:
    """What to say of a step that is over: its time and memory, or why it did not run."""
    if record.status in (Status.COMPLETED, Status.FAILED) and record.seconds is not None:
        memory = f", {megabytes(record.peak_memory)}" if record.peak_memory else ""
        return f"{duration(record.seconds)}{memory}"
    return record.reason


def megabytes(size: int | None) -> str:
    """A size as people read it."""
    if size is None:
        return "–"
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}" if size < 10 * factor else f"{size / factor:.0f} {unit}"
    return f"{size} B"


def plain_progress(out: TextIO) -> Listener:
    """One line an event, each with the step's name: fit for a log file."""

    def listen(event: Event) -> None:
        if isinstance(event, RunStarted):
            plan = event.plan
            steps = f"{len(plan.steps)} step{'' if len(plan.steps) == 1 else 's'}"
            print(f"run {event.run}: {steps}, {plan.count(Action.REUSE)} to reuse", file=out)
        elif isinstance(event, Noticed | Preparing):
            print(event.text, file=out)
        elif isinstance(event, StepStarted):
            print(f"{event.step}: started", file=out)
        elif isinstance(event, StepPrinted):
            for line in event.lines:
                print(f"{event.step} | {line}", file=out)
        elif isinstance(event, StepFinished):
            print(f"{event.step}: {_WORDS[event.record.status]} ({outcome(event.record)})", file=out)
        out.flush()

    return listen


@contextmanager
def live_progress(out: TextIO) -> Iterator[Listener]:
    """A table that follows the run; what steps print last stands beside their names."""
    from rich.console import Console
    from rich.live import Live

    table = LiveTable()
    with Live(table, console=Console(file=out), refresh_per_second=10, transient=False) as live:

        def listen(event: Event) -> None:
            table.take(event)
            if isinstance(event, Noticed):
                live.console.print(event.text, markup=False, highlight=False)
            if isinstance(event, Preparing | RunStarted | StepFinished):
                live.refresh()

        yield listen


class LiveTable:
    """The state that the live view draws."""

    def __init__(self) -> None:
        self.run = ""
        self.doing = "planning"  # until the run has a name
        self.begun = time.monotonic()
        self.started: dict[str, float] = {}
        self.finished: dict[str, StepRecord] = {}
        self.last_line: dict[str, str] = {}
        self.names: list[str] = []

    def take(self, event: Event) -> None:
        if isinstance(event, Preparing):
            self.doing = event.text
        elif isinstance(event, RunStarted):
            self.run, self.names = event.run, list(event.plan.steps)
        elif isinstance(event, StepStarted):
            self.started[event.step] = time.monotonic()
            self.finished.pop(event.step, None)  # Azure ML may try a step again
        elif isinstance(event, StepPrinted):
            self.last_line[event.step] = next((line for line in reversed(event.lines) if line.strip()),
                                              self.last_line.get(event.step, ""))
        elif isinstance(event, StepFinished):
            self.finished[event.step] = event.record

    def __rich__(self) -> RenderableType:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=1)
        grid.add_column(no_wrap=True)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
        shown = self.names if len(self.names) <= 40 else [
            name for name in self.names if name in self.started and name not in self.finished][:40]
        for name in shown:
            record = self.finished.get(name)
            if record is not None:
                style = _STYLES[record.status]
                grid.add_row(Text(_SIGNS[record.status], style=style), Text(name), Text(_WORDS[record.status], style=style),
                             Text(outcome(record), style="dim"))
            elif name in self.started:
                grid.add_row(Spinner("dots", style="blue"), Text(name, style="bold"),
                             Text(duration(now - self.started[name]), style="blue"),
                             Text(self.last_line.get(name, ""), style="dim"))
            else:
                grid.add_row(Text("·", style="dim"), Text(name, style="dim"), Text(""), Text(""))
        told = f"{self.run}  {len(self.finished)}/{len(self.names)}" if self.run else self.doing
        title = Text(f"{told}  {duration(now - self.begun)}", style="bold")
        outer = Table.grid()
        outer.add_row(title)
        outer.add_row(grid)
        return outer
