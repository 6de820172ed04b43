"""Who we are to Azure, and why not."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.emulator.wire import Response
from mlops_lib.engines.azureml import credentials
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
    assert caught.value.fix == "install the Azure CLI, then az login --tenant tenant-1"
    assert caught.value.exit_code == 4


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes an Azure CLI of a script."""
    def make(script: str) -> None:
        (tmp_path / "az").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "az").chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return make


@pytest.mark.parametrize(("said", "why"), [
    ("Please run 'az login' to setup account.", "Azure CLI: Please run 'az login' to set up an account"),
    ("AADSTS700082: The refresh token has expired due to inactivity. Trace ID: 7 Timestamp: now\nInteractive authentication is needed.",
     "Azure CLI: the sign-in has expired (AADSTS700082: The refresh token has expired due to inactivity.)"),
    ("AADSTS50076: Due to a configuration change made by your administrator, you must use multi-factor authentication",
     "Azure CLI: the tenant asks for more, such as a second factor"),
    ("AADSTS90002: Tenant 'x' not found.", "Azure CLI: there is no such tenant (AADSTS90002: Tenant 'x' not found.)"),
])  # fmt: skip
def test_what_the_cli_says_is_explained(az: Any, said: str, why: str) -> None:
    az(f'cat >&2 <<"END"\nERROR: {said}\nEND\nexit 1')
    with pytest.raises(StageError) as caught:
        Credential("dev", "11111111-1111-4111-8111-111111111111", {}).get_token(SCOPE)
    assert why in caught.value.why
    assert "Trace ID" not in caught.value.why
    assert caught.value.fix == "az login --tenant 11111111-1111-4111-8111-111111111111"


def test_a_cli_that_hangs_is_not_waited_for(az: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_CLI_SECONDS", 1)
    az("exec sleep 60")
    with pytest.raises(StageError, match="az has not answered within 1 s"):
        Credential("dev", "11111111-1111-4111-8111-111111111111", {}).get_token(SCOPE)


@pytest.mark.parametrize(("code", "why"), [
    ("AADSTS700213: No matching federated identity record found for presented assertion subject 'repo:x'.",
     "no federated credential of the identity fits the issuer, subject and audience of the platform's token (AADSTS700213: No"),
    ("AADSTS700016: Application with identifier 'c' was not found.", "Entra ID knows no such client in this tenant"),
    ("AADSTS700024: Client assertion is not within its valid time range.", "the token of the platform has expired"),
])  # fmt: skip
def test_a_workload_identity_that_is_refused_says_why_and_what_to_do(azure: ScriptedAzure, az: Any, code: str, why: str) -> None:
    az("exit 1")
    azure.twists.append(lambda request: Response(status=401, body={"error": "invalid_client", "error_description": code})
                        if request.path.endswith("/token") else None)
    with pytest.raises(StageError) as caught:
        Credential("dev", azure.setup.tenant).get_token(SCOPE)
    assert f"workload identity (OIDC): {why}" in caught.value.why
    assert caught.value.fix.startswith("see the identity's federated credentials, and the variables AZURE_CLIENT_ID and AZURE_TENANT_ID; or az")


def test_a_token_file_that_is_not_there_is_named(az: Any, tmp_path: Path) -> None:
    az("exit 1")
    there = {**FEDERATED, "AZURE_TENANT_ID": "11111111-1111-4111-8111-111111111111", "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "gone")}
    with pytest.raises(StageError, match="nobody") as caught:
        Credential("dev", there["AZURE_TENANT_ID"], there).get_token(SCOPE)
    assert f"workload identity (OIDC): {tmp_path / 'gone'} cannot be read: No such file or directory;" in caught.value.why


def test_a_connection_that_is_not_made_is_told_as_that_and_not_as_a_matter_of_the_identity(
    az: Any, azure: ScriptedAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    az("exit 1")
    with socket.socket() as bound:  # nobody listens there, and nobody else can
        bound.bind(("127.0.0.1", 0))
        proxy = f"127.0.0.1:{bound.getsockname()[1]}"
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://{proxy}")
        with pytest.raises(StageError, match="nobody is signed in") as caught:
            Credential("dev", azure.setup.tenant).get_token(SCOPE)
    assert f"workload identity (OIDC): the proxy {proxy}: Connection refused;" in caught.value.why
    assert caught.value.fix.startswith("see whether the network, or the proxy that HTTPS_PROXY names, is in the way; or az login")


def test_the_cli_is_asked_for_the_stage_s_tenant(tmp_path: Path, az: Any) -> None:
    az('echo "$@" >> "$(dirname "$0")/asked"\n'
       'echo \'{"accessToken": "t-1", "expires_on": 4102444800, "expiresOn": "2100-01-01 00:00:00.000000"}\'')
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


def test_what_a_token_has_to_claim_is_in_the_command_with_which_people_sign_in(az: Any) -> None:
    az('echo \'{"accessToken": "t-1", "expires_on": 4102444800, "expiresOn": "2100-01-01 00:00:00.000000"}\'')
    credential = Credential("dev", "11111111-1111-4111-8111-111111111111", {})
    token = credential.get_token(SCOPE).token
    with pytest.raises(StageError, match="Azure CLI gives no token any more") as caught:
        credential.renewed(token, '{"a": 1}')
    assert caught.value.fix == 'az login --tenant 11111111-1111-4111-8111-111111111111 --claims-challenge "eyJhIjogMX0="'
