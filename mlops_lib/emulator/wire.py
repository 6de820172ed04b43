"""What goes over the wire: a request, an answer, and the errors that Azure's clients know how to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

# What a body may say, or say in its properties, and what that is wherever it stands.
_SHAPES: Final = {
    **dict.fromkeys(("componentSpec", "credentials", "deploymentConfiguration", "inputs", "jobs", "mirrorTraffic", "outputs",
                     "properties", "settings", "tags", "traffic"), (dict, "an object")),
    "containerName": (str, "a string"), "values": (list, "a list")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request that reached a service.

    Attributes:
        target: Path and query as sent.
        query: The last value of each parameter, names as sent.
        headers: Names in lower case.
        parameters: What the route's pattern found in the path.
    """

    method: str
    host: str
    path: str
    target: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, parameter: str) -> str:
        return self.parameters[parameter]

    def json(self) -> dict[str, Any]:
        """The body, an object.

        Raises:
            Problem: it is none.
        """
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise Problem(400, "InvalidRequestContent", f"The body is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise Problem(400, "InvalidRequestContent", "The body is not a JSON object")
        for part in (value, value.get("properties")):
            for name, (kind, words) in _SHAPES.items():
                if isinstance(part, dict) and not isinstance(part.get(name), (kind, type(None))):
                    raise Problem(400, "InvalidRequestContent", f"'{name}' is not {words}")
        return value

    def within(self, parameters: Mapping[str, str]) -> Request:
        return replace(self, parameters=parameters)


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """An answer; *body* is bytes as they are, or anything else as JSON, None for nothing."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> tuple[bytes, str]:
        """The bytes to send, and what they are."""
        if self.body is None:
            return b"", ""
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        return json.dumps(self.body).encode(), "application/json; charset=utf-8"


class Problem(Exception):
    """An error in the form of Azure Resource Manager's: ``{"error": {"code": …, "message": …}}``."""

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})

    def response(self) -> Response:
        return Response(status=self.status, headers={"x-ms-error-code": self.code, **self.headers},
                        body={"error": {"code": self.code, "message": self.message, "details": []}})


def reason(status: int) -> str:
    """The words after a status in an answer's first line."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
