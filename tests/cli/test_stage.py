import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BROKEN = Path(__file__).resolve().parents[1] / "broken" / "not-in-stage"
OUTPUTS: dict[str, Any] = json.loads((BROKEN / "dev.json").read_text())


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A copy of a project that names a compute which its stage dev lacks, whose outputs are in dev.json."""
    folder = Path(shutil.copytree(BROKEN, tmp_path / "shop"))
    (folder / "mlops.yml").write_text("stages:\n  dev: {outputs: dev.json}\n")
    return folder


def mlops(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLOPS_")} | variables
    done = subprocess.run(
        [sys.executable, "-m", "mlops_lib", "stage", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    return done


def correct(shop: Path) -> None:
    file = shop / "pipelines" / "p.yml"
    file.write_text(file.read_text().replace("azureml:cpus", "azureml:cpu"))


def test_stages_are_listed_with_where_their_outputs_come_from(shop: Path) -> None:
    root = shop / "terraform" / "stages" / "qa"
    root.mkdir(parents=True)
    (root / "main.tf").write_text("")
    found = json.loads(mlops("list", "--json", cwd=shop, MLOPS_PROD_OUTPUTS="gone.json").stdout)
    dev, prod, qa = found
    assert dev == {"stage": "dev", "source": "dev.json", "workspace": "mlw-flights-dev", "why": None}
    assert (prod["source"], prod["why"]) == ("MLOPS_PROD_OUTPUTS", "gone.json cannot be read: No such file or directory")
    assert qa["why"].startswith("Output \"aml\" not found")
    assert (qa["source"], qa["workspace"]) == (f"terraform output in {os.path.join('terraform', 'stages', 'qa')}", None)
    lines = mlops("list", cwd=shop).stdout.splitlines()
    assert lines[0].split() == ["STAGE", "WORKSPACE", "FROM", "WHY", "NOT"]
    assert lines[1].split() == ["dev", "mlw-flights-dev", "dev.json"]


def test_a_stage_that_only_has_a_gate_is_listed_as_one_that_nothing_tells_of(shop: Path) -> None:
    (shop / "mlops.yml").write_text("stages:\n  dev: {outputs: dev.json}\n  qa: {approval: other}\n")
    [_, qa] = json.loads(mlops("list", "--json", cwd=shop).stdout)
    assert qa == {"stage": "qa", "source": None, "workspace": None, "why": "nothing says what stage 'qa' has"}
    assert mlops("list", cwd=shop).stdout.splitlines()[2].split()[:3] == ["qa", "–", "–"]


def test_a_project_without_stages_says_so(shop: Path) -> None:
    (shop / "mlops.yml").unlink()
    done = mlops("list", cwd=shop)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no stage is known" in done.stderr


def test_a_stage_is_shown_for_people_and_for_programs(shop: Path) -> None:
    done = mlops("show", "dev", cwd=shop)
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert {"workspace mlw-flights-dev", "network public, outbound Disabled", "cpu cluster Standard_DS3_v2 0 to 4"} <= set(lines)
    assert "raw blob read stflightsdev5b6c7d/raw" in lines
    assert "none: Azure ML makes one" in done.stdout
    assert json.loads(mlops("show", "dev", "--json", cwd=shop).stdout) == OUTPUTS
    other = shop / "other.json"
    other.write_text(json.dumps(OUTPUTS | {"resource_group": "rg-other", "registry": {"id": "x", "name": "crx", "login_server": "crx.azurecr.io"}}))
    shown = mlops("show", "dev", "--outputs", "other.json", cwd=shop).stdout
    assert "rg-other" in shown
    assert "crx" in shown


def test_when_instances_stop_and_which_clusters_are_attached_is_shown(shop: Path) -> None:
    computes = {"anna": {"kind": "instance", "vm_size": "Standard_DS3_v2", "idle_shutdown": "PT1H", "schedules": {
        "evening": {"action": "stop", "cron": "0 19 * * *", "time_zone": "UTC"}}}}
    kubernetes = {"k8s": {"cluster_id": "/x/managedClusters/aks", "namespace": "jobs", "instance_type": None}}
    (shop / "dev.json").write_text(json.dumps(OUTPUTS | {"computes": computes, "kubernetes": kubernetes}))
    lines = [" ".join(line.split()) for line in mlops("show", "dev", cwd=shop).stdout.splitlines()]
    assert "anna instance Standard_DS3_v2 stops when idle for PT1H, stop 0 19 * * * UTC" in lines
    assert "k8s kubernetes aks namespace jobs" in lines


def test_a_stage_that_cannot_be_reached_exits_with_four(shop: Path) -> None:
    for command in ("show", "check"):
        done = mlops(command, "qa", cwd=shop)
        assert (done.returncode, done.stdout) == (4, "")
        assert "nothing says what stage 'qa' has" in done.stderr


def test_what_files_name_and_the_stage_lacks_exits_with_four(shop: Path) -> None:
    done = mlops("check", "dev", cwd=shop)
    assert (done.returncode, done.stdout) == (4, (shop / "expected.txt").read_text())
    found = json.loads(mlops("check", "dev", "--json", cwd=shop).stdout)
    assert [finding["what"] for finding in found["lacks"]] == ["stage 'dev' has no compute 'cpus'"]
    assert (found["workspace"], found["mistakes"]) == ("mlw-flights-dev", [])


def test_a_stage_that_has_everything_passes(shop: Path) -> None:
    correct(shop)
    done = mlops("check", "dev", cwd=shop)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "mlw-flights-dev has all that the project's files name\n")


def test_the_default_compute_of_the_settings_is_looked_for_too(shop: Path) -> None:
    correct(shop)
    (shop / "mlops.yml").write_text("compute: azureml:gpu\nstages:\n  dev: {outputs: dev.json}\n")
    done = mlops("check", "dev", cwd=shop)
    assert (done.returncode, done.stdout.splitlines()[0]) == (4, "mlops.yml: stage 'dev' has no compute 'gpu'")


def test_other_mistakes_of_the_files_are_no_pass(shop: Path) -> None:
    correct(shop)
    file = shop / "pipelines" / "p.yml"
    file.write_text(file.read_text() + "surprise: 1\n")
    done = mlops("check", "dev", cwd=shop)
    assert done.returncode == 2
    assert "surprise" in done.stdout
    assert json.loads(mlops("check", "dev", "--json", cwd=shop).stdout)["lacks"] == []


def test_terraform_files_that_no_longer_declare_the_contract_exit_with_four(shop: Path) -> None:
    root = shop / "terraform" / "stages" / "dev"
    root.mkdir(parents=True)
    (root / "outputs.tf").write_text('output "aml" {\n  value = { schema_version = 1 }\n}\n')
    done = mlops("check", "dev", cwd=shop)
    assert done.returncode == 4
    assert f"the output 'aml' of {root.relative_to(shop)} lacks stage, subscription_id" in done.stderr


# --- plans -------------------------------------------------------------------------------------------------------------

VAULT = 'module.key_vault.azurerm_key_vault.this["own"]'
PLAN = {"planned_values": {}, "resource_changes": [{"address": VAULT, "type": "azurerm_key_vault", "change": {"actions": ["delete"]}}]}


def test_a_plan_that_would_lose_something_is_refused_until_that_is_meant(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    done = mlops("review", "plan.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout == f"{VAULT} would be deleted: with it its secrets and keys\n  fix: change what leads to it, or agree to it: --allow '{VAULT}'\n"
    [loss] = json.loads(mlops("review", "plan.json", "--json", cwd=tmp_path).stdout)
    assert (loss["address"], loss["what"]) == (VAULT, "deleted")
    done = mlops("review", "plan.json", "--allow", VAULT, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "the plan loses nothing that cannot be made again\n")


def test_what_is_no_plan_is_told(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{")
    done = mlops("review", "plan.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "plan.json is not JSON" in done.stderr
    assert mlops("review", "gone.json", cwd=tmp_path).returncode == 2
