"""What Azure's refusals become."""

from types import SimpleNamespace
from typing import Any

import pytest

from mlops_lib.engines.azureml.problems import OutOfTime, answered, clean, explained, unconnected
from mlops_lib.errors import InputError, MlopsError, StageError

from .conftest import black_hole


class Answer:
    """A response as azure-core's exceptions carry it."""

    def __init__(self, status: int, text: str) -> None:
        self.status_code, self.headers, self._text = status, {"x-ms-request-id": "r-1"}, text

    def text(self) -> str:
        return self._text


class HttpResponseError(Exception):
    def __init__(self, status: int, code: str = "", message: str = "said") -> None:
        super().__init__(message)
        self.status_code = status
        self.response = Answer(status, f'{{"error": {{"code": "{code}", "message": "{message}"}}}}')


def told(error: BaseException, **more: Any) -> MlopsError:
    return explained(error, "submit it", stage="dev", **more)


@pytest.mark.parametrize(("status", "kind", "fix"), [
    (400, InputError, ""), (401, StageError, "az login"), (403, StageError, "the role 'AzureML Data Scientist'"),
    (404, StageError, "mlops stage check dev --online"), (409, InputError, "another name or version"),
    (429, StageError, "wait"), (500, StageError, "try again later"), (503, StageError, "try again later"),
])  # fmt: skip
def test_every_status_has_a_way_out(status: int, kind: type[MlopsError], fix: str) -> None:
    error = told(HttpResponseError(status, "SomeCode"))
    assert type(error) is kind
    assert error.what == "stage 'dev': could not submit it"
    assert error.why == f"said (HTTP {status}, SomeCode, request r-1)"
    assert fix in error.fix


@pytest.mark.parametrize(("action", "role"), [
    ("Microsoft.MachineLearningServices/workspaces/computes/write", "AzureML Compute Operator"),
    ("Microsoft.MachineLearningServices/workspaces/jobs/write", "AzureML Data Scientist"),
    ("Microsoft.Storage/storageAccounts/listKeys/action", "Storage Blob Data Contributor"),
    ("Microsoft.ContainerRegistry/registries/push/write", "AcrPush"),
    ("Microsoft.Elsewhere/things/write", "Contributor"),
])  # fmt: skip
def test_a_missing_permission_names_the_role_that_has_it(action: str, role: str) -> None:
    message = f"The client 'x' does not have authorization to perform action '{action}' over scope 'y'."
    assert f"the role {role!r}, which allows {action}" in told(HttpResponseError(403, "AuthorizationFailed", message)).fix


@pytest.mark.parametrize(("code", "told_of"), [("AuthorizationFailure", True), ("AuthorizationPermissionMismatch", False)])
def test_a_refusal_that_may_be_a_firewall_s_says_so(code: str, told_of: bool) -> None:
    error = told(HttpResponseError(403, code, "This request is not authorized to perform this operation."))
    assert "the role " in error.fix
    assert ("lets this network in" in error.fix) == told_of


def test_quota_is_the_stage_s_lack() -> None:
    error = told(HttpResponseError(400, "QuotaExceeded", "The quota of cores is used up"))
    assert isinstance(error, StageError)
    assert "quota" in error.fix


def test_the_answer_behind_an_error_of_the_sdk_s_is_found() -> None:
    outer = RuntimeError("Error with code: no")
    outer.__cause__ = HttpResponseError(403, "AuthorizationFailed", "no")
    assert "HTTP 403" in told(outer).why


def test_what_never_was_answered_blames_the_way_there() -> None:
    class ServiceRequestError(Exception):
        pass

    error = told(ServiceRequestError("no route"))
    assert isinstance(error, StageError)
    assert "private endpoint" in error.fix
    assert isinstance(told(OutOfTime("within 2 min 00 s")), StageError)


def test_a_refusal_is_told_from_silence() -> None:
    def caught(error: Exception) -> MlopsError:
        with pytest.raises(MlopsError) as found:
            raise told(error) from error
        return found.value

    assert answered(caught(HttpResponseError(404, "UserError", "no")))
    assert not answered(caught(OutOfTime("within 2 min 00 s")))
    assert not answered(StageError("no Terraform here"))


def test_it_is_said_who_of_storage_did_not_answer() -> None:
    aborted = "('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))"
    assert unconnected(aborted, at="a.blob.core.windows.net") == "a.blob.core.windows.net: the connection ended without an answer"
    assert unconnected(aborted) == aborted
    error = HttpResponseError(503)
    error.response.request = SimpleNamespace(url="https://a.blob.core.windows.net/c/x?sig=SECRET")  # type: ignore[attr-defined]
    assert told(error).why == "said (HTTP 503, request r-1, a.blob.core.windows.net)"


def test_our_own_errors_stay_as_they_are() -> None:
    ours = StageError("x")
    assert told(ours) is ours


@pytest.mark.parametrize(("text", "expected"), [
    ("\x1b[31mred\x1b[39m and\x1b[1m bold\x1b[0m", "red and bold"),
    ("(BadArgument) It is bad.\nCode: BadArgument\nMessage: It is bad.\nAdditional Information:Type: x\n{...}", "(BadArgument) It is bad."),
    ("\n\nError: \n1) One or more files do not exist.\n    (x) data/none\n\nDetails: \n", "One or more files do not exist. data/none"),
    ("a" * 900, "a" * 600 + " …"),
    (f"exceeded with url: /{'x' * 560}?sv=2021&sr=b&sig=SECRET (Caused by it)", f"exceeded with url: /{'x' * 560}?*** (Caused by it)"),
    ("exception=https://a.blob.core.windows.net/c?sv=1&sig=SECRET", "exception=https://a.blob.core.windows.net/c?***"),
])  # fmt: skip
def test_messages_lose_their_noise(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_a_connection_that_is_not_made_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.core.exceptions import AzureError
    from azure.core.pipeline.transport import RequestsTransport
    from azure.core.rest import HttpRequest

    def why(url: str, proxy: str = "") -> str:
        monkeypatch.setenv("NO_PROXY", "" if proxy else "127.0.0.1")
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with RequestsTransport() as transport, pytest.raises(AzureError) as caught:
            transport.send(HttpRequest("GET", url), connection_timeout=0.2)
        return told(caught.value).why

    for name in ("no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert why("https://127.0.0.1:1/") == "127.0.0.1: Connection refused"
    assert why("https://management.azure.com/x", "http://127.0.0.1:1") == "the proxy 127.0.0.1:1: Connection refused"
    with black_hole() as silent:
        assert why(f"https://127.0.0.1:{silent.address[4][1]}/") == "127.0.0.1: no connection in the time that it has"
