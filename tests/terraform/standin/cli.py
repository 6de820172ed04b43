"""The stand-in's own command line."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from standin import runner
from standin.cloud import Cloud

TREE = Path(__file__).resolve().parents[3] / "terraform"


def main() -> None:
    parser = argparse.ArgumentParser(prog="standin", description="A stand-in for azurerm, by hand.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="be the provider that terraform starts; the cloud is the file in " + runner.CLOUD)
    commands.add_parser("pool", help="serve clouds as told on standard input, one JSON object a line")
    run = commands.add_parser("run", help="run terraform in a copy of a root module: run terraform/stages/dev plan")
    run.add_argument("root", type=Path)
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="terraform arguments")
    attach = commands.add_parser("attach-registry", help="do what Azure ML does at a workspace's first image build")
    attach.add_argument("root", type=Path)
    given = parser.parse_args()
    if given.command == "serve":
        _serve()
    elif given.command == "pool":
        _pool()
    elif given.command == "run":
        try:
            sys.exit(_run(given.root, given.arguments))
        except runner.TerraformError as error:
            sys.exit(str(error))
    else:
        _attach(given.root)


def _serve() -> None:
    from standin import plugin

    plugin.run(Path(os.environ[runner.CLOUD]))


def _pool() -> None:
    """Serve until standard input ends: ``{"cloud": …, "subscription": …, "socket": …}`` starts a server, ``{"stop": socket}`` ends it."""
    from standin import plugin

    servers: dict[str, Any] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "stop" in order:
            servers.pop(order["stop"]).stop(grace=None).wait()
        else:
            servers[order["socket"]], _ = plugin.serve(Path(order["cloud"]), order["subscription"], f"unix:{order['socket']}")
        print("done", flush=True)
    for server in servers.values():
        server.stop(grace=None).wait()


def _work(root: Path) -> Path:
    """Where the copy, the state and the cloud of *root* stay between two commands."""
    key = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"azurerm-standin-{os.getuid()}" / f"{root.resolve().name}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(root: Path, arguments: list[str]) -> int:
    root, work = root.resolve(), _work(root)
    tree = TREE if root.is_relative_to(TREE) else root
    place = runner.copy(tree, work / "tree", str(root.relative_to(tree)))
    made = runner.Root(folder=place, cloud=Cloud(work / "cloud.json"), config=runner.mirror(work))
    print(f"in {place}", file=sys.stderr)
    if arguments[:1] != ["init"]:
        made.run("init", "-no-color")
    return subprocess.run([runner.program(), *arguments], cwd=place, env=made.environment(), check=False).returncode


def _attach(root: Path) -> None:
    cloud = Cloud(_work(root) / "cloud.json")
    for workspace in cloud.of_type("azurerm_machine_learning_workspace"):
        if not workspace.values.get("container_registry_id"):
            print(cloud.attach_registry(workspace.id))
