"""The host names of Azure's that are answered here, and whose they are."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .router import Service

MANAGEMENT = "management.azure.com"
LOGIN = "login.microsoftonline.com"
_SUFFIXES: Mapping[str, Service] = {
    "api.azureml.ms": Service.WORKSPACE,
    "blob.core.windows.net": Service.BLOB,
    "inference.ml.azure.com": Service.ENDPOINT,
}
_FIXED: Mapping[str, Service] = {MANAGEMENT: Service.MANAGEMENT, LOGIN: Service.LOGIN, "login.windows.net": Service.LOGIN}
_LABEL = re.compile(r"[a-z0-9-]+")


def service_of(host: str, location: str) -> Service | None:
    """The service that a host is of; None for any other."""
    host = host.lower()
    if host in _FIXED:
        return _FIXED[host]
    for name, service in _SUFFIXES.items():
        first, _, rest = host.partition(".")
        if service is Service.ENDPOINT:
            name = f"{location}.{name}"
        if rest == name and _LABEL.fullmatch(first):
            return service
    return None


def names(location: str) -> list[str]:
    """What the server's certificate is for."""
    wild = [f"*.{location}.{name}" if service is Service.ENDPOINT else f"*.{name}" for name, service in _SUFFIXES.items()]
    return [*_FIXED, *wild, "localhost", "127.0.0.1"]


def data_plane(location: str) -> str:
    """The host of a location's workspace data plane."""
    return f"{location}.api.azureml.ms"


def account_url(account: str) -> str:
    """Where an account's blobs are."""
    return f"https://{account}.blob.core.windows.net"


def endpoint(name: str, location: str) -> str:
    """The host of an endpoint."""
    return f"{name}.{location}.inference.ml.azure.com"
