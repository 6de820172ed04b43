"""Terraform for tests: our roots and tiny ones, in folders of their own, against the stand-in for azurerm.

Without terraform on the path every test here fails: what it would have shown is not known, and a skip would look like a pass.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from roots import Bench, Made, make
from standin.cloud import Cloud
from standin.runner import Root, Servers, mirror


@pytest.fixture(scope="session")
def cli_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Terraform's own settings: providers come from a mirror that has only the stand-in, never from the network."""
    return mirror(tmp_path_factory.mktemp("mirror"))


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """One process that serves all tests of this worker: no Terraform command waits for a provider to start."""
    running = Servers()
    yield running
    running.close()


@pytest.fixture
def bench(tmp_path: Path, cli_config: Path, servers: Servers) -> Iterator[Bench]:
    """Where this test's roots are made ready: ``bench.stage("dev")``, ``bench.variant(registry={"mode": "none"})``, …"""
    prepared = Bench(folder=tmp_path, config=cli_config, servers=servers)
    yield prepared
    prepared.close()


class Roots(Protocol):
    def __call__(self, files: Mapping[str, str] | str, *, cloud: Cloud | None = None, **variables: Any) -> Root: ...


@pytest.fixture
def root(bench: Bench) -> Roots:
    """A root module of these files, or of one main.tf, initialised."""

    def prepare(files: Mapping[str, str] | str, *, cloud: Cloud | None = None, **variables: Any) -> Root:
        folder = bench.folder / f"root{len(bench.started)}"
        for name, text in ({"main.tf": files} if isinstance(files, str) else files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return bench.open(folder, cloud, variables)

    return prepare


@pytest.fixture
def stage(bench: Bench) -> Callable[..., Root]:
    """``stage("dev", **variables)``: a copy of that root of ours, initialised, told what it must be told and *variables*."""
    return bench.stage


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, cli_config: Path, servers: Servers) -> Iterator[Callable[[str], Made]]:
    """``made("prod")``: that root of ours, applied once for all tests of this worker. They look and do not touch."""
    prepared = Bench(folder=tmp_path_factory.mktemp("made"), config=cli_config, servers=servers)

    @cache
    def get(name: str) -> Made:
        return make(prepared, name)

    yield get
    prepared.close()
