"""What Azure answers when it refuses, in the words of our errors: what was being done, status, code, request id, a way out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ...errors import InputError, MlopsError, StageError
from ...references import redacted

_CONTROLS: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_ACTION: Final = re.compile(r"(?:action|permission)s?\W{1,4}(Microsoft\.[A-Za-z]+/[A-Za-z/]+)")
_WORDS: Final = 600
_REQUEST: Final = ("x-ms-request-id", "x-ms-correlation-request-id", "request-id")
_FIREWALL: Final = "AuthorizationFailure"  # of storage: for a network that is shut out, and for a role that lacks
_DENIED: Final = ("AuthorizationFailed", "AuthorizationPermissionMismatch", _FIREWALL,
                  "InsufficientAccountPermissions")
# What azure-core raises when no answer came.
_UNANSWERED: Final = ("ServiceRequestError", "ServiceRequestTimeoutError", "ServiceResponseError",
                      "ServiceResponseTimeoutError", "ConnectionError", "IncompleteReadError", "NotUploaded")
_NO_JSON: Final = ("DecodeError", "JSONDecodeError")
_NETWORK: Final = "see whether the network, a proxy or a private endpoint is in the way"
# The built-in role that allows what was refused, the most special first.
_ROLES: Final = (
    ("Microsoft.MachineLearningServices/workspaces/computes", "AzureML Compute Operator"),
    ("Microsoft.MachineLearningServices", "AzureML Data Scientist"),
    ("Microsoft.Storage", "Storage Blob Data Contributor"),
    ("Microsoft.ContainerRegistry", "AcrPush"),
    ("Microsoft.KeyVault", "Key Vault Secrets User"),
)


class OutOfTime(Exception):
    """An operation took longer than it may."""


class NotUploaded(Exception):
    """Storage took nothing, so that what was to follow has not been sent."""


def explained(error: BaseException, doing: str, *, stage: str, at: str = "") -> MlopsError:
    """An exception of the SDK, or of what it stands on, as an error of ours.

    Args:
        error: What was raised.
        doing: What was being done: ``register the component of job 'train'``.
        stage: The stage's name.
        at: What it was done to, for the case that it does not exist.
    """
    if isinstance(error, MlopsError):
        return error
    root = _root(error)
    status, code = _status(root), _code(root)
    told = _told(status, code, root)
    said = clean(_message(root))
    what = f"stage {stage!r}: could not {doing}"
    if isinstance(error, OutOfTime):
        return StageError(what, why=f"no answer {error}", fix="try again; see whether the network lets you reach Azure")
    if type(root).__name__ in _NO_JSON or 300 <= (status or 0) < 400:  # as a network does that wants people to sign in first
        how = "gives no JSON" if status in (None, 200) else f"leads elsewhere (HTTP {status})"
        return StageError(what, why=f"what answered is not Azure ML: it {how}", fix=_NETWORK)
    if status is None:
        if type(root).__name__ in _UNANSWERED:
            return StageError(what, why=unconnected(said), fix=_NETWORK)
        return InputError(what, why=said)  # the SDK's own judgement of what it was given
    if status == 401:
        return StageError(what, why=f"{said} {told}", fix="sign in again: az login")
    if status == 403 or code in _DENIED:
        role, action = _role(said, root)
        return StageError(what, why=f"{said} {told}", fix=f"whoever owns the stage grants the role {role!r}"
                          + (f", which allows {action}" if action else "")
                          + ("; or lets this network in: a firewall of storage says the same" if code == _FIREWALL else ""))
    if status == 404:
        return StageError(what, why=f"{said} {told}", fix=f"see that {at or 'it'} exists: mlops stage check {stage} --online")
    if "quota" in said.lower():
        return StageError(what, why=f"{said} {told}", fix="ask for more quota, or name a smaller compute")
    if status == 409 and re.search(r"\b(?:recover|purge)", said, re.IGNORECASE):
        return StageError(what, why=f"{said} {told}", fix="recover what was deleted, purge it, or give another name")
    if status == 409:
        return InputError(what, why=f"{said} {told}", fix="give another name or version: what is registered never changes")
    if status == 429:
        return StageError(what, why=f"{said} {told}", fix="Azure is busy with other requests of yours: wait, and try again")
    if status >= 500:
        return StageError(what, why=f"{said} {told}", fix="it is on Azure's side: try again later")
    return InputError(what, why=f"{said} {told}")


def answered(error: MlopsError) -> bool:
    """Whether Azure has refused something, or was never asked for it, and has not just said nothing."""
    return any(_status(link) is not None or isinstance(link, NotUploaded) for link in _chain(error))


def denied(error: MlopsError) -> bool:
    """Whether Azure has refused who asks: to ask again would change nothing."""
    return any(_status(link) in (401, 403) for link in _chain(error))


def judged(error: MlopsError) -> bool:
    """Whether Azure has refused what was asked, and not just not been able to answer: to ask again would change nothing."""
    return any(400 <= (_status(link) or 0) < 500 and _status(link) not in (408, 429) for link in _chain(error))


def raced(error: BaseException) -> bool:
    """Whether somebody else has brought the same content a moment earlier: the next attempt finds it there."""
    return _code(_root(error)) == "BlobAlreadyExists"


def misses(error: MlopsError) -> bool:
    """Whether Azure has refused what it was given, or what that names is not there."""
    return isinstance(error, InputError) or any(_status(link) == 404 for link in _chain(error))


def unconnected(said: str, *, at: str = "") -> str:
    """Whom a connection was not made to, or who ended it, and why, of what urllib3 says; anything else as it is.

    Args:
        said: Its words.
        at: Who it was, where it does not say so.
    """
    places = re.findall(r"\(host='([^']+)', port=(\d+)\)", said)
    why = re.search(r"\[Errno -?\d+\] ([^\"'()]+)|Tunnel connection failed: ([^\"'()]+)|timed out|Remote end closed|"
                    r"Connection reset|Connection aborted", said)
    if why is not None and why[2]:
        return f"the proxy lets nobody through: {why[2]}"
    if not (places or at) or why is None:
        return said
    if why[0].startswith(("Remote", "Connection")):
        return f"{at or places[0][0]}: the connection ended without an answer"
    words = (why[1] or f"no {'answer' if 'Read timed out' in said else 'connection'} in the time that it has").strip()
    if "Unable to connect to proxy" in said:
        return f"the proxy {':'.join(places[-1])}: {words}" if places else f"the proxy: {words}"
    return f"{at or places[0][0]}: {words}"


def clean(text: str) -> str:
    """A message of Azure's in one line, without colours, signatures of URLs, and what it repeats for machines."""
    text = redacted(_CONTROLS.sub("", text))
    text = re.split(r"Additional Information:|\nContent: |\nTraceback ", text)[0]
    lines = []
    for line in text.splitlines():
        bare = re.sub(r"^\s*(?:\d+\)|[-*]|\(x\)|x\)?)?\s*", "", line).strip()
        if bare and not re.match(r"(Code|Message|Error|Details|Target|Exception Details):", bare) and bare not in lines:
            lines.append(bare)
    return shortened(" ".join(lines) or " ".join(text.split()))


def first_words(text: str) -> str:
    """The first sentence of a message, for a list of several."""
    line = next((line.strip() for line in clean(text).split("\n") if line.strip()), "no reason is given")
    return shortened(line, 240)


def shortened(text: str, limit: int = _WORDS) -> str:
    """*text*, or its beginning and an ellipsis."""
    return text if len(text) <= limit else f"{text[:limit].rstrip()} …"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        inner = getattr(found, "error", None)
        found = inner if isinstance(inner, BaseException) else found.__cause__ or found.__context__


def _root(error: BaseException) -> BaseException:
    """The exception in the chain that knows an answer, or that Azure gave none; the SDK wraps those of HTTP in its own."""
    links = list(_chain(error))
    unanswered = (link for link in links if type(link).__name__ in (*_UNANSWERED, *_NO_JSON))
    return next((link for link in links if _status(link) is not None), next(unanswered, error))


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _code(error: BaseException) -> str:
    code = getattr(error, "error_code", None) or getattr(getattr(error, "error", None), "code", None)
    return code if isinstance(code, str) else str(_body(error).get("code", ""))


def _message(error: BaseException) -> str:
    message = _body(error).get("message")
    return message if isinstance(message, str) and message else str(getattr(error, "message", "") or error)


def _body(error: BaseException) -> Mapping[str, Any]:
    """What is said of the error in the answer's body, when that is JSON."""
    response = getattr(error, "response", None)
    try:
        body = json.loads(response.text() if response is not None else "")
    except Exception:  # no body, or one that was read away, or none of JSON
        return {}
    inner = body.get("error", body) if isinstance(body, dict) else {}
    return inner if isinstance(inner, dict) else {}


def _told(status: int | None, code: str, error: BaseException) -> str:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    request = next((headers[name] for name in _REQUEST if headers.get(name)), "")
    # Of a workspace it is said what was done to it; storage is met on the way to something else.
    host = urlsplit(_url(error)).hostname or ""
    storage = host if ".blob." in host else ""
    parts = [f"HTTP {status}" if status else "", code, f"request {request}" if request else "", storage]
    return f"({', '.join(part for part in parts if part)})"


def _url(error: BaseException) -> str:
    """What was asked."""
    return str(getattr(getattr(getattr(error, "response", None), "request", None), "url", ""))


def _role(said: str, error: BaseException) -> tuple[str, str]:
    match = _ACTION.search(said)
    action = match[1] if match else ""
    url = _url(error)
    where = action or ("Microsoft.Storage" if ".core.windows.net" in url else
                       f"Microsoft.MachineLearningServices/workspaces{'/computes' if '/computes/' in url else ''}")
    return next(role for prefix, role in (*_ROLES, ("", "Contributor")) if where.startswith(prefix)), action
