"""Who we are to Azure: the first of a few explicit ways that gives a token, or all of their reasons why not.

Nothing secret is read from a file or written to one: a workload identity's token is a statement that the platform makes
anew every few minutes, a managed identity's comes from the machine's host, and ``az login`` keeps its own.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from ...errors import MlopsError, StageError
from . import sdk
from .problems import clean, first_words, unconnected

_FEDERATED: Final = ("AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_ID", "AZURE_TENANT_ID")
_MANAGED: Final = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT")
_TAG: Final = Path("/sys/class/dmi/id/chassis_asset_tag")
_AZURE_TAG: Final = "7783-7084-3265-9085-8269-3286-77"  # what Azure writes on the case of each of its virtual machines
_CLI_SECONDS: Final = 20
# Of azure-identity's own requests, which wait for five minutes otherwise.
_LIMITS: Final = {"connection_timeout": 10, "read_timeout": 30}
# What Entra ID's codes mean for whoever signs in, the more special first.
_MEANINGS: Final = (
    (r"AADSTS700016\b", "Entra ID knows no such client in this tenant: see AZURE_CLIENT_ID and AZURE_TENANT_ID"),
    (r"AADSTS700024\b", "the token of the platform has expired, or a clock is wrong"),
    (r"AADSTS7002\d+", "no federated credential of the identity fits the issuer, subject and audience of the platform's token"),
    (r"AADSTS(?:90002|900023)\b", "there is no such tenant"),
    (r"AADSTS(?:50173|70008|70043|700082|700084)\b", "the sign-in has expired"),
    (r"AADSTS(?:50076|50079|50158|5300\d)\b", "the tenant asks for more, such as a second factor or a machine that it manages"),
    (r"AADSTS(?:50020|50034)\b", "the account is not in this tenant"),
    (r"not found on path", "the program az is not installed"),
)


class Token(NamedTuple):
    """An access token and when it ends, in seconds since 1970: what azure-core expects of a credential."""

    token: str
    expires_on: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """A way to sign in.

    Attributes:
        name: For people.
        absent: Why it cannot be tried here; empty when it can.
        fix: What to do when it was tried in vain.
        build: Makes its credential, an object of azure-identity.
    """

    name: str
    absent: str
    fix: str
    build: Callable[[], Any]


def ways(tenant: str, environ: Mapping[str, str], *, tag: Path | None = None) -> tuple[Way, ...]:
    """The ways in the order in which they are tried: workload identity, managed identity, Azure CLI.

    Args:
        tenant: The stage's.
        environ: The process's variables.
        tag: Where the machine says whose it is; default: what Linux says.
    """
    missing = [name for name in _FEDERATED if not environ.get(name)]
    return (
        Way(name="workload identity (OIDC)", absent=f"{', '.join(missing)} not set" if missing else "",
            fix="see the identity's federated credentials, and the variables AZURE_CLIENT_ID and AZURE_TENANT_ID",
            build=lambda: sdk.module("azure.identity").WorkloadIdentityCredential(
                tenant_id=environ["AZURE_TENANT_ID"], client_id=environ["AZURE_CLIENT_ID"],
                token_file_path=environ["AZURE_FEDERATED_TOKEN_FILE"], retry_total=2, **_LIMITS)),
        Way(name="managed identity", absent=_not_managed(environ, tag or _TAG),
            fix="give the machine an identity, and when it has several the one's id in AZURE_CLIENT_ID",
            build=lambda: sdk.module("azure.identity").ManagedIdentityCredential(
                client_id=environ.get("DEFAULT_IDENTITY_CLIENT_ID") or environ.get("AZURE_CLIENT_ID") or None, **_LIMITS)),
        Way(name="Azure CLI", absent="", fix=f"az login --tenant {tenant}",
            build=lambda: sdk.module("azure.identity").AzureCliCredential(tenant_id=tenant, process_timeout=_CLI_SECONDS)),
    )


def _not_managed(environ: Mapping[str, str], tag: Path) -> str:
    """Why this machine has no managed identity: asking the address that would know takes seconds where nobody answers."""
    if any(environ.get(name) for name in _MANAGED):
        return ""
    try:
        if tag.read_text(encoding="ascii", errors="replace").strip() == _AZURE_TAG:
            return ""
    except OSError:
        pass
    return "this is no machine of Azure's"


class Credential:
    """What the SDK gets as a credential. Sticks to the way that worked first.

    Args:
        stage: The stage's name, for messages.
        tenant: The stage's tenant.
        environ: The process's variables.
    """

    def __init__(self, stage: str, tenant: str, environ: Mapping[str, str] | None = None) -> None:
        self._stage = stage
        self._ways = ways(tenant, os.environ if environ is None else environ)
        self._lock = threading.Lock()
        self._found: tuple[Way, Any] | None = None
        self._scopes: dict[str, tuple[str, ...]] = {}

    @property
    def way(self) -> str:
        """How we signed in; empty before the first token."""
        return self._found[0].name if self._found else ""

    def get_token(self, *scopes: str, **options: Any) -> Token:
        """A token for *scopes*; azure-core calls it.

        Raises:
            StageError: no way gave one.
        """
        with self._lock:
            if self._found is None:
                self._found, token = self._first(scopes, options)
            else:
                token = self._token(*self._found, scopes, options)
            self._scopes = {**dict(list(self._scopes.items())[-20:]), token.token: scopes}
            return token

    def renewed(self, token: str, claims: str = "") -> str | None:
        """Another token in the place of one that was refused; None when there is no other.

        Args:
            token: The one that was refused.
            claims: What the new one has to claim; JSON.

        Raises:
            StageError: none is given.
        """
        with self._lock:
            scopes = self._scopes.get(token)
            if scopes is None or self._found is None:
                return None
            way, _ = self._found
            self._found = way, way.build()  # the old one would give what it remembers
            fresh = self._token(*self._found, scopes, {"claims": claims} if claims else {})
            self._scopes[fresh.token] = scopes
            return fresh.token

    def _first(self, scopes: tuple[str, ...], options: Mapping[str, Any]) -> tuple[tuple[Way, Any], Token]:
        reasons, fixes = [], []
        for way in self._ways:
            reason = way.absent
            if not reason:
                credential = way.build()
                try:
                    with sdk.quiet():
                        return (way, credential), _plain(credential.get_token(*scopes, **options))
                except MlopsError:
                    raise
                except Exception as error:  # azure-identity's own, and those of whatever it starts
                    reason = _explained(error)
                    fixes.append(_fix(way, error))
            reasons.append(f"{way.name}: {reason}")
        raise StageError(f"nobody is signed in to Azure, for stage {self._stage!r}", why="; ".join(reasons),
                         fix="; or ".join(fixes))

    def _token(self, way: Way, credential: Any, scopes: tuple[str, ...], options: Mapping[str, Any]) -> Token:
        try:
            with sdk.quiet():
                return _plain(credential.get_token(*scopes, **options))
        except Exception as error:
            fix = way.fix
            if options.get("claims") and fix.startswith("az login"):
                fix += f' --claims-challenge "{base64.b64encode(options["claims"].encode()).decode()}"'
            raise StageError(f"{way.name} gives no token any more, for stage {self._stage!r}", why=_explained(error),
                             fix=fix) from None


def _plain(token: Any) -> Token:
    return Token(token.token, token.expires_on)


def _fix(way: Way, error: BaseException) -> str:
    """What to do when a way was tried in vain."""
    said = str(error)
    if unconnected(said) != said:
        return "see whether the network, or the proxy that HTTPS_PROXY names, is in the way"
    return f"install the Azure CLI, then {way.fix}" if "not found on path" in said else way.fix


def _explained(error: BaseException) -> str:
    """Why a way gave no token: what the code of it means, and what was said."""
    if isinstance(error.__cause__, subprocess.TimeoutExpired):
        return f"az has not answered within {_CLI_SECONDS} s"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be read: {error.strerror}"
    said = re.split(r"\s*(?:Trace ID:|Interactive authentication is needed)", clean(unconnected(str(error))))[0]
    said = first_words(re.sub(r"^.*?(?=AADSTS\d)|^ERROR: ", "", said))
    meaning = next((meaning for code, meaning in _MEANINGS if re.search(code, said)), "")
    return f"{meaning} ({said})" if meaning else said
