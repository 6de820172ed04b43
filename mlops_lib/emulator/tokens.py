"""Access tokens of the local Entra ID: signed with a secret of the emulator's own, checked by its services."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from .wire import Problem

LIFETIME_S = 3600
_CHALLENGE = {"WWW-Authenticate": 'Bearer authorization_uri="https://login.microsoftonline.com/", error="invalid_token"'}


class Tokens:
    """Issues and checks JSON web tokens.

    Args:
        secret: Signs them.
        tenant, client: Whom they are for.
    """

    def __init__(self, secret: bytes, *, tenant: str, client: str) -> None:
        self._secret = secret
        self.tenant = tenant
        self.client = client

    def issue(self, scope: str, *, lifetime: int = LIFETIME_S) -> str:
        """A token for a scope as clients ask for it: ``https://management.azure.com/.default``."""
        now = int(time.time())
        audience = scope.removesuffix("/.default")
        return self._signed({
            "aud": audience.rstrip("/") if "storage" in audience else audience, "iss": f"https://sts.windows.net/{self.tenant}/",
            "iat": now, "nbf": now - 60, "exp": now + lifetime, "tid": self.tenant, "appid": self.client, "oid": self.client,
            "sub": self.client, "idtyp": "app", "uti": secrets.token_urlsafe(16), "ver": "1.0"})

    def assertion(self) -> str:
        """A token of the kind that CI gives to its jobs, for exchange."""
        now = int(time.time())
        return self._signed({"aud": "api://AzureADTokenExchange", "iss": "https://token.actions.githubusercontent.com",
                             "sub": "mlops emulate", "iat": now, "nbf": now - 60, "exp": now + 86_400 * 30})

    def check(self, token: str, audience: str | None = None) -> Mapping[str, Any]:
        """The claims of a token of ours that is valid now, and for *audience* when one is named.

        Raises:
            Problem: 401, it is none.
        """
        head, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(head)):
            raise _refused("InvalidAuthenticationToken", "The access token is invalid: it was not issued here.")
        payload = head.partition(".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if claims["exp"] < time.time():
            raise _refused("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than now.")
        if audience is not None and not claims["aud"].startswith(audience):
            raise _refused("InvalidAuthenticationTokenAudience",
                           f"The access token is for audience {claims['aud']}, which is not {audience}.")
        return claims

    def check_header(self, header: str | None) -> None:
        """As :meth:`check`, of an ``Authorization`` header."""
        kind, _, token = (header or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise _refused("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        self.check(token)

    def _signed(self, claims: Mapping[str, Any]) -> str:
        head = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
        return f"{head}.{self._signature(head).decode()}"

    def _signature(self, text: str) -> bytes:
        return base64.urlsafe_b64encode(hmac.digest(self._secret, text.encode(), hashlib.sha256)).rstrip(b"=")


def _encoded(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _refused(code: str, message: str) -> Problem:
    return Problem(401, code, message, headers=_CHALLENGE)
