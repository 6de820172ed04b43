"""Our root modules, and roots of a test's own, made ready to run: copied, with local state, against the stand-in.

Used by the tests and by the scripts beside them, which all plan with the same variables.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standin import azure
from standin.cloud import Cloud
from standin.runner import Root, Servers, copy, mirror

TREE = Path(__file__).resolve().parents[2] / "terraform"
STAGES = ("dev", "qa", "prod")
ROOTS = ("bootstrap", *STAGES)

DATA_SCIENTISTS = "00000000-0000-0000-0000-00000000d001"
READERS = "00000000-0000-0000-0000-00000000d002"
# all that a root has to be told
WHERE = {
    "project": "flights",
    "location": "westeurope",
    "subscription_id": azure.SUBSCRIPTION,
    "tenant_id": azure.TENANT,
}
GROUPS = {"groups": {"data_scientists": DATA_SCIENTISTS, "readers": READERS}}

# a caller of the module stage: every option of it can be given, not only those that our stages hand on
_CALLER = {
    "terraform": {"required_providers": {"azurerm": {"source": "hashicorp/azurerm", "version": ">= 5.10, < 6.0"}}},
    "provider": {
        "azurerm": {
            "subscription_id": azure.SUBSCRIPTION,
            "features": [{"machine_learning": [{"purge_soft_deleted_workspace_on_destroy": True}]}],
        }
    },
    "output": {"aml": {"value": "${module.stage.aml}"}},
}


def variables(name: str) -> dict[str, Any]:
    """What the root *name* has to be told, and nothing more."""
    return dict(WHERE) if name == "bootstrap" else {**WHERE, **GROUPS}


def place(name: str) -> str:
    """Where the root *name* is in our tree."""
    return name if name == "bootstrap" else f"stages/{name}"


@dataclass(kw_only=True, slots=True)
class Bench:
    """A folder in which roots are made ready, one beside the other, each with a cloud of its own unless it is given one."""

    folder: Path
    config: Path
    servers: Servers
    started: list[str] = field(default_factory=list)

    def open(self, folder: Path, cloud: Cloud | None = None, told: Mapping[str, Any] | None = None) -> Root:
        """The root in *folder*, initialised."""
        made = self._serve(folder, cloud)
        made.write_variables(told or {})
        made.init()
        return made

    def stage(self, name: str, cloud: Cloud | None = None, **told: Any) -> Root:
        """A copy of the root *name*, told what it has to be told, and what is given here."""
        return self.open(copy(TREE, self._new("tree"), place(name)), cloud, {**variables(name), **told})

    def variant(self, cloud: Cloud | None = None, **arguments: Any) -> Root:
        """A root that calls the module stage with *arguments*, beside those that every stage has."""
        tree = self._new("tree")
        folder = copy(TREE, tree, "stages/dev").parent / "variant"
        folder.mkdir()
        called = {"source": "../../modules/stage", "stage": "dev", **WHERE, **arguments}
        (folder / "main.tf.json").write_text(json.dumps({**_CALLER, "module": {"stage": called}}, indent=1))
        return self.open(folder, cloud)

    def module(self, where: str) -> Root:
        """A module on its own (``modules/compute``, ``bootstrap``), for its .tftest.hcl files."""
        return self.open(copy(TREE, self._new("tree"), where))

    def twin(self, root: Root) -> Root:
        """A copy of *root*, its state and its cloud, to do to it what the original is to be spared."""
        folder = self._new("twin")
        shutil.copytree(root.folder.parents[1], folder)
        cloud = Cloud(folder / "cloud.json")
        if root.cloud.file.exists():
            shutil.copyfile(root.cloud.file, cloud.file)
        return self._serve(folder / root.folder.relative_to(root.folder.parents[1]), cloud)

    def close(self) -> None:
        for reattach in self.started:
            self.servers.stop(reattach)
        self.started.clear()

    def _serve(self, folder: Path, cloud: Cloud | None) -> Root:
        cloud = cloud or Cloud(self._new("cloud").with_suffix(".json"))
        self.started.append(self.servers.start(cloud.file))
        return Root(folder=folder, cloud=cloud, config=self.config, reattach=self.started[-1])

    def _new(self, what: str) -> Path:
        return self.folder / f"{what}{len(self.started)}"


@contextmanager
def bench() -> Iterator[Bench]:
    """A bench for a script, gone when it ends."""
    with tempfile.TemporaryDirectory(prefix="terraform-") as folder:
        servers = Servers()
        made = Bench(folder=Path(folder), config=mirror(Path(folder)), servers=servers)
        try:
            yield made
        finally:
            made.close()
            servers.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """One of our roots, planned and applied: both its plans, and what exists."""

    root: Root
    plan: Mapping[str, Any]
    again: Mapping[str, Any]

    @property
    def planned(self) -> list[Planned]:
        return planned(self.plan)


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A resource in a plan: the values that are known, and which others will be."""

    address: str
    type: str
    values: Mapping[str, Any]
    unknown: Mapping[str, Any]


def planned(plan: Mapping[str, Any]) -> list[Planned]:
    """Every resource that a plan would leave behind."""
    return [
        Planned(
            address=found["address"],
            type=found["type"],
            values=found["change"]["after"],
            unknown=found["change"].get("after_unknown") or {},
        )
        for found in plan["resource_changes"]
        if found["mode"] == "managed" and found["change"]["after"] is not None
    ]


def make(bench: Bench, name: str) -> Made:
    """Plan the root *name*, apply that plan, and plan again."""
    root = bench.stage(name)
    plan = root.plan()
    root.apply()
    return Made(root=root, plan=plan, again=root.plan())
