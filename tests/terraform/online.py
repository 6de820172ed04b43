"""Our Terraform and the real azurerm, where the Terraform registry is reachable: ``tox -e terraform-online``.

Each module and root is initialised, validated and tested in a copy, so that nothing is written beside the sources; plugins
are downloaded once. Then tflint and trivy look at the sources.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

TREE = Path(__file__).resolve().parents[2] / "terraform"
TOOLS = {
    "terraform": "https://developer.hashicorp.com/terraform/install",
    "tflint": "https://github.com/terraform-linters/tflint",
    "trivy": "https://github.com/aquasecurity/trivy",
}
# It takes a subscription for a plan, and never asks it for anything: the provider is mocked.
NOWHERE = {"ARM_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001", "ARM_USE_CLI": "false"}


def main() -> None:
    """Run everything, tell what failed, and exit with 1 when something did."""
    missing = [f"{name} ({where})" for name, where in TOOLS.items() if shutil.which(name) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="terraform-online-") as folder:
        tree = Path(shutil.copytree(TREE, Path(folder) / "terraform", ignore=shutil.ignore_patterns(".terraform*")))
        plugins = Path(folder) / "plugins"
        plugins.mkdir()
        environment = {**os.environ, **NOWHERE, "TF_PLUGIN_CACHE_DIR": str(plugins), "TF_IN_AUTOMATION": "1"}
        for place in sorted(path.parent for path in tree.rglob("versions.tf")):
            commands = [["init", "-backend=false", "-input=false"], ["validate"]]
            if (place / "tests").is_dir():
                commands.append(["test"])
            for command in commands:
                if not _run(["terraform", f"-chdir={place}", *command, "-no-color"], environment, failed):
                    break
        _run(["tflint", f"--chdir={tree}", "--init"], environment, failed)
        _run(["tflint", f"--chdir={tree}", "--recursive", f"--config={tree / '.tflint.hcl'}"], environment, failed)
        _run(["trivy", "config", "--exit-code", "1", "--severity", "HIGH,CRITICAL", str(tree)], environment, failed)
    if failed:
        sys.exit("failed:\n  " + "\n  ".join(failed))


def _run(command: list[str], environment: Mapping[str, str], failed: list[str]) -> bool:
    print("$", *command, flush=True)
    good = subprocess.run(command, env=environment, check=False).returncode == 0
    if not good:
        failed.append(" ".join(command))
    return good


if __name__ == "__main__":
    main()
