"""The table of routes, and the page that lists it."""

import runpy
from pathlib import Path

import pytest

from mlops_lib.emulator.router import Absent, Route, Router, Service
from mlops_lib.emulator.table import ROUTER
from mlops_lib.emulator.wire import Problem, Request, Response

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_lists_what_there_is() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "emulator.py"))["page"]()
    assert (ROOT / "docs" / "emulator.md").read_text(encoding="utf-8") == page, "run: python docs/emulator.py"


def test_no_route_is_there_twice_and_none_is_called_absent() -> None:
    keys = [(route.service, route.method, route.pattern.lower()) for route in ROUTER.routes]
    assert len(set(keys)) == len(keys)
    for told in ROUTER.absent:
        assert not [route for route in ROUTER.routes if f"{route.pattern}/".startswith(f"{told.pattern}/")]


ROUTES = [
    Route(Service.MANAGEMENT, "GET", "/a/{one}/b", lambda world, request: Response(body=request["one"]), "reads"),
    Route(Service.MANAGEMENT, "GET", "/a/{one}/{rest:path}", lambda world, request: Response(body=request["rest"]), "reads on"),
]
ROUTER_OF_TWO = Router(ROUTES, [Absent(Service.MANAGEMENT, "/c/{one}", "the letter c")])


@pytest.mark.parametrize(("path", "route", "parameters"), [
    ("/a/x/b", 0, {"one": "x"}),
    ("/A/x%20y/B/", 0, {"one": "x y"}),
    ("/a/x/c/d", 1, {"one": "x", "rest": "c/d"}),
])  # fmt: skip
def test_a_path_finds_its_route(path: str, route: int, parameters: dict[str, str]) -> None:
    found, request = ROUTER_OF_TWO.find(Service.MANAGEMENT, Request(method="GET", host="h", path=path))
    assert (found, request.parameters) == (ROUTES[route], parameters)


@pytest.mark.parametrize(("service", "method", "path", "words"), [
    (Service.LOGIN, "GET", "/a/x/b", "nothing here does that"),
    (Service.MANAGEMENT, "PUT", "/a/x/b", "nothing here does that"),
    (Service.MANAGEMENT, "GET", "/c/x", "the letter c"),
    (Service.MANAGEMENT, "GET", "/c/x/deep", "the letter c"),
    (Service.MANAGEMENT, "GET", "/cc/x", "nothing here does that"),
])  # fmt: skip
def test_any_other_path_is_not_implemented(service: Service, method: str, path: str, words: str) -> None:
    with pytest.raises(Problem, match=words) as caught:
        ROUTER_OF_TWO.find(service, Request(method=method, host="h", path=path))
    assert caught.value.status == 501
