"""Terraform, run in a copy of our tree against the stand-in: no network, no Azure, and nothing written beside the sources."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standin import azure
from standin.cloud import Cloud
from standin.schema import ADDRESS, load

HERE = Path(__file__).resolve().parent
CLOUD = "AZURERM_STANDIN_CLOUD"
BACKEND = 'terraform {\n  backend "local" {}\n}\n'
_LEFT_BEHIND = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfplan", ".terraform.lock.hcl", "terraform.tfvars")


class TerraformError(Exception):
    """Terraform refused; the message is what it said."""


def program() -> str:
    """Where terraform is.

    Raises:
        TerraformError: it is not installed, and without it nothing here means anything.
    """
    found = shutil.which("terraform")
    if found is None:
        raise TerraformError("terraform is not on the path; install it (1.11 or newer) to run what tests our Terraform code")
    return found


def mirror(folder: Path) -> Path:
    """Make a provider mirror in *folder* whose azurerm is the stand-in; the answer is the file for TF_CLI_CONFIG_FILE."""
    version = load().version
    told = subprocess.run(
        [program(), "version", "-json"], check=True, capture_output=True, text=True, env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull}
    )
    platform = json.loads(told.stdout)["platform"]
    place = folder / "mirror" / ADDRESS / version / platform
    place.mkdir(parents=True, exist_ok=True)
    script = place / f"terraform-provider-azurerm_v{version}"
    script.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(HERE))} serve\n")
    script.chmod(0o755)
    config = folder / "terraform.rc"
    config.write_text(
        "disable_checkpoint = true\n"
        f"provider_installation {{\n  filesystem_mirror {{\n    path = {json.dumps(str(folder / 'mirror'))}\n  }}\n}}\n"
    )
    return config


class Servers:
    """A process that serves any number of clouds, so that no Terraform command waits for a provider to start."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="azurerm-")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE), "pool"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._count = 0

    def start(self, cloud: Path, subscription: str = azure.SUBSCRIPTION) -> str:
        """Serve *cloud*; the answer is the value for TF_REATTACH_PROVIDERS."""
        self._count += 1
        socket = f"{self._folder.name}/{self._count}"
        self._say({"cloud": str(cloud), "subscription": subscription, "socket": socket})
        address = {"Network": "unix", "String": socket}
        told = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": self._process.pid, "Test": True, "Addr": address}
        return json.dumps({ADDRESS: told})

    def stop(self, reattach: str) -> None:
        """End what ``start`` answered with *reattach*."""
        self._say({"stop": json.loads(reattach)[ADDRESS]["Addr"]["String"]})

    def close(self) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)
        self._folder.cleanup()

    def _say(self, order: Mapping[str, str]) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "done\n":
            raise TerraformError(f"the stand-in for azurerm has ended: {self._process.wait(timeout=30)}")


def copy(tree: Path, target: Path, root: str) -> Path:
    """Copy the folder *tree* to *target*, give its *root* a local backend, and answer where that root now is.

    What Terraform has written in an earlier copy stays: its state, and what it has initialised.
    """
    for old in target.rglob("*"):
        if old.is_file() and ".terraform" not in old.parts and ".tfstate" not in old.name:
            old.unlink()
    shutil.copytree(tree, target, ignore=_LEFT_BEHIND, dirs_exist_ok=True)
    place = target / root
    (place / "backend_override.tf").write_text(BACKEND)
    return place


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """A root module in a folder of its own, and the cloud that it changes."""

    folder: Path
    cloud: Cloud
    config: Path
    reattach: str | None = None
    subscription: str = azure.SUBSCRIPTION

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """What terraform prints on standard output.

        Raises:
            TerraformError: with all that terraform said, when it ends with none of *codes*.
        """
        done = subprocess.run(
            [program(), *arguments], cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode not in codes:
            # errors are on standard error, except that test reports its runs on standard output
            said = f"{done.stdout}{done.stderr}" if arguments[0] == "test" else done.stderr or done.stdout
            raise TerraformError(f"terraform {' '.join(arguments)} in {self.folder} ended with {done.returncode}:\n{said.strip()}")
        return done.stdout

    def environment(self) -> dict[str, str]:
        """The caller's environment without anything that would steer Terraform, and with what keeps it here."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "ARM_", "AZURE_"))}
        ours = {
            "ARM_SUBSCRIPTION_ID": self.subscription,
            "CHECKPOINT_DISABLE": "1",
            "GOGC": "400",  # memory for time: most of a run here is the garbage collection of schemas
            "TF_CLI_CONFIG_FILE": str(self.config),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            CLOUD: str(self.cloud.file),
        }
        if self.reattach:
            ours["TF_REATTACH_PROVIDERS"] = self.reattach
        return {**clean, **ours}

    def write_variables(self, variables: Mapping[str, Any]) -> None:
        """Give the root these variables, and no others that it was given before."""
        (self.folder / "test.auto.tfvars.json").write_text(json.dumps(variables, indent=1))

    def init(self) -> None:
        self.run("init", "-no-color", "-backend=true")

    def validate(self) -> None:
        self.run("validate", "-no-color")

    def plan(self, *arguments: str) -> dict[str, Any]:
        """The plan as ``terraform show -json`` gives it; apply() carries out this one."""
        try:
            self.run("plan", "-no-color", "-lock=false", "-out=tfplan", *arguments)
        except TerraformError:
            (self.folder / "tfplan").unlink(missing_ok=True)
            raise
        plan: dict[str, Any] = json.loads(self.run("show", "-json", "tfplan"))
        return plan

    def apply(self) -> None:
        """Carry out what plan() planned, or plan and apply in one go."""
        planned = self.folder / "tfplan"
        if planned.exists():
            self.run("apply", "-no-color", "-lock=false", "tfplan")
            planned.unlink()
        else:
            self.run("apply", "-no-color", "-lock=false", "-auto-approve")

    def output(self, name: str) -> Any:
        return json.loads(self.run("output", "-json", "-no-color", name))

    def destroy(self) -> None:
        self.run("destroy", "-no-color", "-lock=false", "-auto-approve")

    def test(self) -> str:
        """Run the folder's .tftest.hcl files."""
        return self.run("test", "-no-color")


def changes(plan: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What a plan would do, by address: ``("create",)``, ``("delete", "create")``, …; what stays is left out."""
    found = {change["address"]: tuple(change["change"]["actions"]) for change in plan.get("resource_changes", ())}
    return {address: actions for address, actions in sorted(found.items()) if actions not in (("no-op",), ("read",))}
