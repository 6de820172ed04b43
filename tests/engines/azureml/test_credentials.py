"""Who we are to Azure, and why not."""

import os
from pathlib import Path

import pytest

from mlops_lib.engines.azureml.credentials import Credential, ways
from mlops_lib.errors import StageError

from .stage import ScriptedAzure

SCOPE = "https://management.azure.com/.default"
FEDERATED = {"AZURE_FEDERATED_TOKEN_FILE": "/x", "AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t"}


def test_the_order_is_workload_identity_managed_identity_cli(tmp_path: Path) -> None:
    assert [way.name for way in ways("t", {}, tag=tmp_path / "none")] == ["workload identity (OIDC)", "managed identity", "Azure CLI"]


def test_a_way_that_cannot_be_says_why(tmp_path: Path) -> None:
    federated, managed, cli = ways("t", {"AZURE_CLIENT_ID": "c"}, tag=tmp_path / "none")
    assert federated.absent == "AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID not set"
    assert managed.absent == "this is no machine of Azure's"
    assert cli.absent == ""


def test_a_machine_of_azure_s_is_known_by_its_tag_or_its_variables(tmp_path: Path) -> None:
    tag = tmp_path / "tag"
    tag.write_text("7783-7084-3265-9085-8269-3286-77\n")
    assert ways("t", {}, tag=tag)[1].absent == ""
    tag.write_text("somebody else's\n")
    assert ways("t", {}, tag=tag)[1].absent
    assert ways("t", {"IDENTITY_ENDPOINT": "http://127.0.0.1:1"}, tag=tag)[1].absent == ""
    assert ways("t", FEDERATED, tag=tag)[0].absent == ""


def test_without_any_way_every_reason_is_told(tmp_path: Path) -> None:
    credential = Credential("dev", "tenant-1", {})
    path, os.environ["PATH"] = os.environ["PATH"], str(tmp_path)
    try:
        with pytest.raises(StageError, match="nobody is signed in to Azure, for stage 'dev'") as caught:
            credential.get_token(SCOPE)
    finally:
        os.environ["PATH"] = path
    for word in ("workload identity (OIDC): ", "managed identity: ", "Azure CLI: "):
        assert word in caught.value.why
    assert caught.value.fix == "az login --tenant tenant-1"
    assert caught.value.exit_code == 4


def test_the_cli_is_asked_for_the_stage_s_tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "az"
    program.write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/asked"\n'
                       'echo \'{"accessToken": "t-1", "expires_on": 4102444800, "expiresOn": "2100-01-01 00:00:00.000000"}\'\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    credential = Credential("dev", "11111111-1111-4111-8111-111111111111", {})
    assert credential.get_token(SCOPE).token == "t-1"
    assert credential.way == "Azure CLI"
    assert "--tenant 11111111-1111-4111-8111-111111111111" in (tmp_path / "asked").read_text()


def test_a_workload_identity_signs_in_and_renews(azure: ScriptedAzure) -> None:
    credential = Credential("dev", azure.setup.tenant)
    token = credential.get_token(SCOPE).token
    assert credential.way == "workload identity (OIDC)"
    assert credential.renewed("of somebody else") is None
    assert credential.renewed(token) is not None
    logins = [call for call in azure.requests() if call.route.endswith("/oauth2/v2.0/token")]
    assert len(logins) == 2, "the second was asked for, and not remembered"


@pytest.mark.parametrize("credential", ["secret", "federated"])
def test_the_local_azure_ml_signs_us_in_whichever_credential_others_have(
    azure: ScriptedAzure, monkeypatch: pytest.MonkeyPatch, credential: str
) -> None:
    told = azure.environment(credential=credential)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    found = Credential("dev", azure.setup.tenant, told)
    assert found.get_token(SCOPE).token
    assert found.way == "workload identity (OIDC)"
