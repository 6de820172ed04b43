"""Terraform for tests: our roots and tiny ones, in folders of their own, against the stand-in for azurerm.

Without terraform on the path every test here fails: what it would have shown is not known, and a skip would look like a pass.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from standin.cloud import Cloud
from standin.runner import Root, Servers, copy, mirror

TREE = Path(__file__).resolve().parents[2] / "terraform"


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


@dataclass
class Bench:
    """Where a test's root modules are made ready, and what has to be stopped after it."""

    folder: Path
    config: Path
    servers: Servers
    started: list[str] = field(default_factory=list)

    def open(self, folder: Path, cloud: Cloud | None, variables: Mapping[str, Any]) -> Root:
        """The root in *folder*, initialised. Its cloud is its own unless another root's is given."""
        cloud = cloud or Cloud(self.folder / f"cloud{len(self.started)}.json")
        self.started.append(self.servers.start(cloud.file))
        made = Root(folder=folder, cloud=cloud, config=self.config, reattach=self.started[-1])
        made.write_variables(variables)
        made.init()
        return made


@pytest.fixture
def bench(tmp_path: Path, cli_config: Path, servers: Servers) -> Iterator[Bench]:
    made = Bench(folder=tmp_path, config=cli_config, servers=servers)
    yield made
    for reattach in made.started:
        servers.stop(reattach)


class Roots(Protocol):
    def __call__(self, files: Mapping[str, str] | str, *, cloud: Cloud | None = None, **variables: Any) -> Root: ...


@pytest.fixture
def root(bench: Bench) -> Roots:
    """A root module of these files, or of one main.tf, initialised."""

    def make(files: Mapping[str, str] | str, *, cloud: Cloud | None = None, **variables: Any) -> Root:
        folder = bench.folder / f"root{len(bench.started)}"
        for name, text in ({"main.tf": files} if isinstance(files, str) else files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return bench.open(folder, cloud, variables)

    return make


class Stages(Protocol):
    def __call__(self, name: str, *, cloud: Cloud | None = None, **variables: Any) -> Root: ...


@pytest.fixture
def stage(bench: Bench) -> Stages:
    """``stage("dev", **variables)`` or ``stage("bootstrap")``: a copy of our tree with that root initialised, state and all local."""

    def make(name: str, *, cloud: Cloud | None = None, **variables: Any) -> Root:
        place = name if name == "bootstrap" else f"stages/{name}"
        folder = copy(TREE, bench.folder / f"tree{len(bench.started)}", place)
        return bench.open(folder, cloud, variables)

    return make


class Modules(Protocol):
    def __call__(self, name: str) -> Root: ...


@pytest.fixture
def module(bench: Bench) -> Modules:
    """A module of ours on its own, initialised: for ``test()``, which runs its .tftest.hcl files."""

    def make(name: str) -> Root:
        folder = copy(TREE, bench.folder / f"tree{len(bench.started)}", f"modules/{name}")
        return bench.open(folder, None, {})

    return make
