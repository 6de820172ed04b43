"""The table of roles, held against what our Terraform would grant."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_lib.infra import Datastore, read
from mlops_lib.infra.roles import Grant, expected

ROOT = Path(__file__).resolve().parents[1]
OUTPUTS = json.loads((ROOT / "broken" / "not-in-stage" / "dev.json").read_text())
GRANTED = re.compile(r'^module\.stage\.module\.(\w+)(?:\["\w+"\])?\.azurerm_role_assignment\.this\["(jobs|workspace)/([^"]+)"\]$', re.M)
MODULES = {"storageAccounts": "storage", "vaults": "key_vault", "components": "application_insights", "registries": "registry",
           "workspaces": "workspace", "containers": "datastore"}


@pytest.mark.parametrize("name", ["dev", "qa", "prod"])
def test_the_table_says_what_terraform_grants(name: str) -> None:
    planned = (ROOT / "terraform" / "golden" / f"{name}.txt").read_text()
    [isolation] = re.findall(r'managed_network\.isolation_mode = "(\w+)"', planned)
    stage = read(OUTPUTS, "dev.json")
    data = Datastore(type="blob", account="stdata", container="raw", access="read")
    stage = replace(stage, registry={"id": "/x/Microsoft.ContainerRegistry/registries/cr", "name": "cr", "login_server": "cr"},
                    networking={**stage.networking, "isolation_mode": isolation}, datastores={"raw": data})
    found = set()
    for grant in expected(stage):
        module = MODULES[grant.scope.split("/")[-2]]
        found.add(("data" if "stdata" in grant.scope and module == "storage" else module, grant.who, grant.roles[0]))
    assert found == set(GRANTED.findall(planned))


def test_a_stronger_role_will_do_and_a_weaker_one_will_not() -> None:
    def wants(*roles: str) -> Grant:
        return Grant(who="jobs", roles=roles, on="x", scope="/x")

    assert wants("Storage Blob Data Reader").met_by({"Storage Blob Data Contributor"})
    assert not wants("Storage Blob Data Contributor").met_by({"Storage Blob Data Reader", "Contributor"})
    assert wants("AcrPull", "Container Registry Repository Reader").met_by({"Container Registry Repository Writer"})
    assert not wants("Key Vault Administrator").met_by({"Owner"}), "who owns a vault does not read its secrets by that"


def test_a_file_share_needs_no_role_and_another_groups_account_is_not_the_stages_to_open() -> None:
    stage = read(OUTPUTS, "dev.json")
    isolated = replace(stage, networking={**stage.networking, "isolation_mode": "AllowInternetOutbound"})
    other = Datastore(type="blob", account="stother", container="c", resource_group="rg-other", access="write")
    shares = Datastore(type="file_share", account="stother", container="c")
    told = [grant for grant in expected(replace(isolated, datastores={"a": other, "b": shares})) if "stother" in grant.scope]
    assert {(grant.who, grant.roles[0]) for grant in told} == {
        ("jobs", "Storage Blob Data Contributor"), ("workspace", "Storage Blob Data Reader")}
    assert all(grant.scope.endswith("/resourceGroups/rg-other/providers/Microsoft.Storage/storageAccounts/stother/"
                                    "blobServices/default/containers/c") for grant in told)
