"""The local Entra ID: tokens for a client secret, or for a token of CI's in exchange (workload identity)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from . import hosts
from .router import Route, Service
from .tokens import LIFETIME_S
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def discovery(world: World, request: Request) -> Response:
    tenant = world.setup.tenant
    aliases = [hosts.LOGIN, "login.windows.net"]
    return Response(body={
        "tenant_discovery_endpoint": f"https://{hosts.LOGIN}/{tenant}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [{"preferred_network": hosts.LOGIN, "preferred_cache": "login.windows.net", "aliases": aliases}]})


def configuration(world: World, request: Request) -> Response:
    authority = f"https://{hosts.LOGIN}/{request['tenant']}"
    return Response(body={
        "issuer": f"{authority}/v2.0", "token_endpoint": f"{authority}/oauth2/v2.0/token",
        "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{authority}/oauth2/v2.0/devicecode",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code"], "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"], "cloud_instance_name": "microsoftonline.com",
        "tenant_region_scope": None})


def token(world: World, request: Request) -> Response:
    """A token for whoever has the emulator's client secret, or the token of CI's that it wrote to a file."""
    form = {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    if request["tenant"] != world.setup.tenant:
        return _refused("invalid_request", 90002, f"Tenant '{request['tenant']}' not found.")
    if form.get("grant_type") != "client_credentials":
        return _refused("unsupported_grant_type", 70003, "Only the grant client_credentials is known here.")
    if form.get("client_id") != world.setup.client:
        return _refused("unauthorized_client", 700016, f"Application '{form.get('client_id')}' was not found.")
    if form.get("client_assertion_type") == _BEARER:
        try:
            world.tokens.check(form.get("client_assertion", ""), "api://AzureADTokenExchange")
        except Problem as problem:
            return _refused("invalid_client", 700213, f"No matching federated identity record found: {problem.message}")
    elif form.get("client_secret") != world.client_secret:
        return _refused("invalid_client", 7000215, "Invalid client secret provided.")
    return Response(body={"token_type": "Bearer", "expires_in": LIFETIME_S, "ext_expires_in": LIFETIME_S,
                          "access_token": world.tokens.issue(form.get("scope", ""))})


def _refused(error: str, number: int, message: str) -> Response:
    status = 401 if error == "invalid_client" else 400
    return Response(status=status, body={"error": error, "error_description": f"AADSTS{number}: {message}",
                                         "error_codes": [number]})


ROUTES = (
    Route(Service.LOGIN, "GET", "/common/discovery/instance", discovery, "which hosts are one authority", open=True),
    Route(Service.LOGIN, "GET", "/{tenant}/v2.0/.well-known/openid-configuration", configuration, "where tokens are issued",
          open=True),
    Route(Service.LOGIN, "POST", "/{tenant}/oauth2/v2.0/token", token,
          "a token for a client secret or a federated token", open=True),
)
