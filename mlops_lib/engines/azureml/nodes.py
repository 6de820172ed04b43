"""Which of the jobs below a pipeline job are which of its steps.

Azure ML shows the job of a node under the node's display name or, where it has none, under the node's name, and says in its
properties of which component it is. Neither has to be unique, and a node that is tried again has several jobs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ...errors import listing
from ...sweep import Goal
from .history import History, State
from .workspace import Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """What the trials of a sweep are judged by."""

    metric: str
    goal: Goal


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A job of a pipeline, as the workspace has it.

    Attributes:
        shown: Its display name; empty when it has none.
        component: The name of its component.
        inner: The id of the component of a pipeline inside the pipeline.
        objective: Of a sweep.
    """

    shown: str = ""
    component: str = ""
    inner: str = ""
    objective: Objective | None = None


class Nodes:
    """The nodes of one job, whose definition is read once.

    Args:
        workspace: Where it runs.
        history: Of that workspace.
        job: Its name.

    Attributes:
        unknown: The names of jobs that could be those of several steps.
    """

    def __init__(self, workspace: Workspace, history: History, job: str) -> None:
        self._workspace, self._history, self._job = workspace, history, job
        self._levels: dict[str, Mapping[str, Node]] = {}
        self.unknown: set[str] = set()

    def begun(self, steps: Collection[str]) -> dict[str, State]:
        """The newest job of each of those *steps* that have begun, by the step's name."""
        self.unknown.clear()
        found: dict[str, State] = {}
        around = {name.rpartition(".")[0] for name in steps if "." in name}

        def look(job: str, above: str) -> None:
            prefix = f"{above}." if above else ""
            inside = {name.removeprefix(prefix).partition(".")[0] for name in steps if name.startswith(prefix)}
            nodes = {name: Node() for name in inside} | dict(self._level(above))
            matched, unknown = match(self._history.children(job), nodes)
            self.unknown |= unknown
            for leaf, states in matched.items():
                name = f"{prefix}{leaf}"
                if name in steps:
                    found[name] = newest(states)
                elif any(inner == name or inner.startswith(f"{name}.") for inner in around):
                    look(newest(states).id, name)

        look(self._job, "")
        return found

    def objective(self, step: str) -> Objective | None:
        """What a step's trials are judged by, if it is a sweep."""
        above, _, leaf = step.rpartition(".")
        node = self._level(above).get(leaf)
        return node.objective if node is not None else None

    def trials(self, step: State) -> tuple[State, Mapping[int, State]]:
        """The job of a sweep itself, which may be below the step's, and those of its trials by number."""
        children = self._history.children(step.id)
        found = _numbered(step, children)
        if found or len(children) != 1:
            return step, found
        return children[0], _numbered(children[0], self._history.children(children[0].id))

    def doubts(self) -> list[str]:
        """What to tell of jobs whose step is not known."""
        return [f"which steps the jobs called {listing(sorted(self.unknown))} are is not known: several have that name"
                ] if self.unknown else []

    # --- the definition ----------------------------------------------------------------------------------------------

    def _level(self, above: str) -> Mapping[str, Node]:
        """The nodes of the pipeline that is called *above* inside the job; of the job itself when that is empty."""
        if above not in self._levels:
            self._levels[above] = {name: _node(told) for name, told in self._jobs(above).items()}
        return self._levels[above]

    def _jobs(self, above: str) -> Mapping[str, Any]:
        if not above:
            found = self._workspace.find(f"jobs/{self._job}", doing=f"read the job {self._job!r}") or {}
            properties: Mapping[str, Any] = found.get("properties") or {}
            jobs: Mapping[str, Any] = properties.get("jobs") or {}
            return jobs or self._spec(str(properties.get("componentId") or ""))
        outer, _, leaf = above.rpartition(".")
        node = self._level(outer).get(leaf)
        return self._spec(node.inner) if node is not None else {}

    def _spec(self, component: str) -> Mapping[str, Any]:
        """The jobs of a pipeline component of the workspace; none of one that is elsewhere, or gone."""
        place, above = component.removeprefix("azureml:"), f"{self._workspace.path}/"
        if not place.startswith(above):
            return {}
        found = self._workspace.find(place.removeprefix(above), doing=f"read a component of the job {self._job!r}") or {}
        jobs: Mapping[str, Any] = ((found.get("properties") or {}).get("componentSpec") or {}).get("jobs") or {}
        return jobs


_GOALS: Final = frozenset(goal.value for goal in Goal)
_COMPONENT: Final = re.compile(r".*/components/(?P<name>[^/]+)/versions/[^/]+")


def _node(told: Mapping[str, Any]) -> Node:
    reference = str(told.get("componentId") or (told.get("trial") or {}).get("componentId") or "")
    name = _COMPONENT.fullmatch(reference)
    objective = told.get("objective") or {}
    metric, goal = objective.get("primary_metric"), str(objective.get("goal", "")).lower()
    return Node(shown=str(told.get("display_name") or ""), component=name["name"] if name else "",
                inner=reference if told.get("type") == "pipeline" else "",
                objective=Objective(metric=str(metric), goal=Goal(goal))
                if told.get("type") == "sweep" and metric and goal in _GOALS else None)


# --- matching --------------------------------------------------------------------------------------------------------

_RULES: Final[Sequence[Callable[[str, Node, State], bool]]] = (
    lambda name, node, job: job.name == (node.shown or name),
    lambda name, node, job: job.name == name,
    lambda name, node, job: bool(job.component) and job.component == node.component,
)


def match(jobs: Iterable[State], nodes: Mapping[str, Node]) -> tuple[Mapping[str, list[State]], set[str]]:
    """The jobs of each node, in the order given, and the names of jobs that could be those of several."""
    left: dict[str, list[State]] = {}
    for job in jobs:
        left.setdefault(job.node or f"called {job.name}", []).append(job)
    found: dict[str, list[State]] = {}
    unknown = set()
    for rule in _RULES:
        free = [name for name in nodes if name not in found]
        for key, group in list(left.items()):
            fitting = [name for name in free if rule(name, nodes[name], group[0])]
            if len(fitting) > 1:
                fitting = [name for name in fitting if nodes[name].component == group[0].component] or fitting
            if fitting:
                del left[key]
            if len(fitting) == 1:
                found.setdefault(fitting[0], []).extend(group)
            elif fitting:
                unknown.add(group[0].name)
    return found, unknown


def newest(states: Sequence[State]) -> State:
    """The last that was made of a node's jobs, which says how many there are."""
    _, last = max(enumerate(states), key=lambda one: (one[1].created or 0.0, one[0]))
    return replace(last, attempt=len(states))


def _numbered(sweep: State, children: Iterable[State]) -> Mapping[int, State]:
    """The trials among the jobs below a sweep's, which are called after it."""
    found = {}
    for child in children:
        number = child.id.removeprefix(f"{sweep.id}_")
        if number != child.id and number.isdecimal():
            found[int(number)] = child
    return dict(sorted(found.items()))


__all__ = ["Node", "Nodes", "Objective", "match", "newest"]
