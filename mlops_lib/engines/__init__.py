"""An engine turns a Plan into a Run; what happens on the way is told to listeners as events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..cost import Cost
from ..differs import Difference
from ..errors import InputError, JobError, did_you_mean
from ..plan import Plan
from ..stores.records import Status, StepRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOutput:
    """A named output of a run.

    Attributes:
        path: Where it is.
        asset: What it was registered as (``flights-best:3``), if anything.
        landed: The paths and URLs that the YAML names for it: copies of it are there.
    """

    path: Path
    type: str
    asset: str | None = None
    landed: tuple[str, ...] = ()


class Outputs(dict[str, RunOutput]):
    """The outputs of a run that exist, by name; asking for another says why it does not."""

    def __init__(self, outputs: Mapping[str, RunOutput], errors: tuple[str, ...]) -> None:
        super().__init__(outputs)
        self._errors = errors

    def __missing__(self, name: str) -> RunOutput:
        if self._errors:
            raise JobError(f"the run has no output {name!r}, because it failed", why=self._errors[0])
        raise InputError(f"the pipeline has no output {name!r}", fix=did_you_mean(name, self))


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """How a run ended.

    Attributes:
        metrics: Of the steps that logged any, by step name.
        errors: One text a failed step, with its log's last lines.
        differences: What Azure ML would have done otherwise.
        cost: What it costs at most; None where that costs nothing, or nobody gave prices.
        landed: Of a run on Azure ML, where its outputs are there, by name.
    """

    id: str
    pipeline: str
    status: Status
    seconds: float
    steps: Mapping[str, StepRecord]
    outputs: Mapping[str, RunOutput] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    cost: Cost | None = None
    landed: Mapping[str, str] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether every step ran or was reused."""
        return self.status is Status.COMPLETED


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that a user should know before the run starts."""

    text: str


@dataclass(frozen=True, slots=True)
class Preparing:
    """What is being done before the run starts, which may take a while."""

    text: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run has a name and a plan."""

    run: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step's process was started with *command*, in bash."""

    step: str
    command: str


@dataclass(frozen=True, slots=True)
class StepPrinted:
    """Lines that a step wrote to its log, without line ends."""

    step: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step ran, was reused, failed or was given up; *error* says why in full."""

    step: str
    record: StepRecord
    error: str = ""


Event = Noticed | Preparing | RunStarted | StepStarted | StepPrinted | StepFinished
Listener = Callable[[Event], None]


class Engine(Protocol):
    """Somewhere a plan can run: on this machine, or on Azure ML."""

    def submit(self, plan: Plan, *, request: Mapping[str, Any], listener: Listener) -> Run:
        """Run *plan* to its end.

        Raises:
            RunError: the machine refused what the run itself needed.
            StageError: the stage could not be reached, or lacks something.
            Canceled: the user stopped it.
        """
