"""Which function answers which path: tables of routes, one a resource family."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ..references import escapes
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

PROVIDER = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices"
WORKSPACE = f"{PROVIDER}/workspaces/{{workspace}}"
_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


class Service(Enum):
    """A service of Azure's that answers here; each has hosts of its own."""

    MANAGEMENT = "Azure Resource Manager"
    LOGIN = "Microsoft Entra ID"
    WORKSPACE = "workspace data plane"
    ENDPOINT = "endpoints, online and batch"
    BLOB = "blob storage"


Handler = Callable[["World", Request], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """An operation: *pattern* is a path with ``{name}`` for a segment, ``{name:path}`` for all that follows.

    Attributes:
        does: In a few words, for the list in the documentation.
        open: Whether it answers without a token.
    """

    service: Service
    method: str
    pattern: str
    handler: Handler
    does: str
    open: bool = False

    @property
    def shown(self) -> str:
        """The pattern without what every path of a workspace begins with."""
        return self.pattern.replace(WORKSPACE, "{WS}").replace(PROVIDER, "{ARM}").replace(":path}", "}")


@dataclass(frozen=True, slots=True)
class Absent:
    """A part of Azure ML that answers 501 here, known by the first segments of its path, and why it is not there."""

    service: Service
    pattern: str
    what: str


class Router:
    """All routes; paths are compared as Azure Resource Manager does, without regard to case."""

    def __init__(self, routes: Iterable[Route], absent: Iterable[Absent] = ()) -> None:
        self.routes: Sequence[Route] = tuple(routes)
        self.absent: Sequence[Absent] = tuple(absent)
        self._compiled = [(route, _compiled(route.pattern + "$")) for route in self.routes]
        self._missing = [(told, _compiled(told.pattern + "(?:/|$)")) for told in self.absent]

    def find(self, service: Service, request: Request) -> tuple[Route, Request]:
        """The route for a request, and the request with what its path says.

        Raises:
            Problem: 501, nothing here does that; 400, a name in the path leads elsewhere.
        """
        path = request.path.rstrip("/") or "/"
        for route, pattern in self._compiled:
            if route.service is service and route.method == request.method and (match := pattern.match(path)):
                found = {name: unquote(value) for name, value in match.groupdict().items()}
                for name, value in found.items():
                    if f"{{{name}:path}}" not in route.pattern and ("/" in value or value == "." or escapes(value)):
                        raise Problem(400, "BadRequest", f"{value!r} is the name of nothing.")
                return route, request.within(found)
        what = next((told.what for told, pattern in self._missing if told.service is service and pattern.match(path)),
                    "nothing here does that")
        raise Problem(501, "NotEmulated", f"{request.method} {request.path} is not modelled by this local Azure ML: {what}. "
                      "What is: 'mlops emulate --routes'")


def _compiled(pattern: str) -> re.Pattern[str]:
    tail = ""
    for end in ("(?:/|$)", "$"):
        if pattern.endswith(end):
            pattern, tail = pattern.removesuffix(end), end
            break
    parts, at = [], 0
    for match in _PARAMETER.finditer(pattern):
        parts += [re.escape(pattern[at:match.start()]), f"(?P<{match[1]}>{'.*' if match[2] else '[^/]+'})"]
        at = match.end()
    return re.compile("".join([*parts, re.escape(pattern[at:]), tail]), re.IGNORECASE)
