"""What stands around a workspace: storage, vault, registry, Application Insights, identities, and who has which role on them.

They are read, as whoever looks after a stage reads them; Terraform makes them, and nothing here does what they do.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..infra.contract import Stage
from ..infra.contract import read as read_outputs
from ..infra.roles import account_id, container_id, expected
from . import arm
from .router import Route, Service
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

_GROUP = "/subscriptions/{subscription}/resourceGroups/{group}/providers"
_ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
_DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
# Azure's own ids of built-in roles, the same in every tenant.
BUILT_IN: Mapping[str, str] = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "Azure AI Enterprise Network Connection Approver": "b556d68e-0be0-4f35-a333-ad7ee1ce17ea",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Key Vault Administrator": "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage File Data Privileged Contributor": "69566ab7-960f-475b-8e7c-b3118f30c6bd",
}


def make_surroundings(world: World, outputs: Mapping[str, Any]) -> None:
    """All of it that a stage's outputs name, as Terraform leaves it; what is there stays as it is."""
    stage = read_outputs(outputs, "the local Azure ML")
    with world.resources.together():
        for key, body in _bodies(stage).items():
            if world.resources.find(key) is None:
                world.resources.put(key, {"location": stage.location, "tags": {"stage": stage.name}, **body})
        for grant in expected(stage):
            assign(world, grant.scope, str(stage.identities[grant.who].principal_id), grant.roles[0])


def assign(world: World, scope: str, principal: str, role: str) -> str:
    """Give a principal a built-in role on something, unless it has it; the assignment's id."""
    key = f"{scope}{_ASSIGNMENTS}/{uuid.uuid5(uuid.NAMESPACE_URL, f'{scope}/{principal}/{role}')}"
    if world.resources.find(key) is None:
        world.resources.put(key, {"properties": {
            "roleDefinitionId": f"/subscriptions/{world.setup.subscription}{_DEFINITIONS}/{BUILT_IN[role]}",
            "principalId": principal, "principalType": "ServicePrincipal", "scope": scope}})
    return key


def _bodies(stage: Stage) -> dict[str, dict[str, Any]]:
    made = {"provisioningState": "Succeeded"}
    storage = {"kind": "StorageV2", "sku": {"name": "Standard_LRS", "tier": "Standard"},
               "properties": {**made, "statusOfPrimary": "available", "allowSharedKeyAccess": False, "isHnsEnabled": False}}
    found: dict[str, dict[str, Any]] = {
        stage.storage["id"]: storage,
        stage.vault["id"]: {"properties": {**made, "tenantId": stage.tenant_id, "vaultUri": stage.vault["uri"],
                                           "enableRbacAuthorization": True, "enablePurgeProtection": True}},
        # nobody is at that address: what is told of local deployments is not for anybody else
        stage.app_insights: {"kind": "web", "properties": {
            **made, "Application_Type": "web",
            "ConnectionString": f"InstrumentationKey={uuid.uuid5(uuid.NAMESPACE_URL, stage.name)};"
                                "IngestionEndpoint=https://applicationinsights.invalid/"}},
    }
    if stage.registry is not None:
        found[stage.registry["id"]] = {"sku": {"name": "Standard", "tier": "Standard"}, "properties": {
            **made, "loginServer": stage.registry["login_server"], "adminUserEnabled": False}}
    for identity in stage.identities.values():
        found[identity.id] = {"properties": {"tenantId": stage.tenant_id, "clientId": identity.client_id,
                                             "principalId": identity.principal_id}}
    for datastore in stage.datastores.values():
        found.setdefault(account_id(stage, datastore), storage)
        found[container_id(stage, datastore)] = {"properties": {"publicAccess": "None", "deleted": False}}
    return found


def get(world: World, request: Request) -> Response:
    """Any of these resources, by the path that is its id."""
    found = world.resources.find(request.path)
    if found is None:
        _, _, provider = request.path.rpartition("/providers/")
        raise Problem(404, "ResourceNotFound", f"The Resource '{provider}' under resource group '{request['group']}' was not "
                      "found.")
    return arm.answer(found)


def assignments(world: World, request: Request) -> Response:
    """Who has which role on something: with ``$filter=atScope()`` there and above, else below as well."""
    told = request.query.get("$filter", "")
    scope = f"/{request['scope']}"
    found = [assignment for level in _levels(scope) for assignment in world.resources.all_in(f"{level}{_ASSIGNMENTS}")]
    if "atscope()" not in told.lower():
        found += [one for one in world.resources.below(scope) if _ASSIGNMENTS in one.id and one not in found]
    if match := re.search(r"(?:principalId eq|assignedTo\()\s*'([^']+)'", told):
        found = [assignment for assignment in found if assignment.properties["principalId"] == match[1]]
    return arm.page(world, request, map(arm.shown, found))


def _levels(scope: str) -> list[str]:
    """A scope and those above it: the resources that it is in, its resource group, its subscription."""
    parts = scope.strip("/").split("/")
    return ["/" + "/".join(parts[:length]) for length in range(len(parts), 1, -2)]


def definition(world: World, request: Request) -> Response:
    """A built-in role."""
    name = next((name for name, key in BUILT_IN.items() if key == request["role"].lower()), None)
    if name is None:
        raise Problem(404, "RoleDefinitionDoesNotExist", f"The role definition '{request['role']}' does not exist.")
    return Response(body={"id": request.path, "name": request["role"], "type": "Microsoft.Authorization/roleDefinitions",
                          "properties": {"roleName": name, "type": "BuiltInRole"}})


def _read(path: str, does: str) -> Route:
    return Route(Service.MANAGEMENT, "GET", f"{_GROUP}/{path}", get, does)


ROUTES = (
    _read("Microsoft.Storage/storageAccounts/{name}", "read a storage account"),
    _read("Microsoft.Storage/storageAccounts/{name}/blobServices/default/containers/{container}", "read a container"),
    _read("Microsoft.KeyVault/vaults/{name}", "read a key vault"),
    _read("Microsoft.ContainerRegistry/registries/{name}", "read a container registry"),
    _read("Microsoft.Insights/components/{name}", "read an Application Insights component"),
    _read("Microsoft.ManagedIdentity/userAssignedIdentities/{name}", "read a user-assigned identity"),
    Route(Service.MANAGEMENT, "GET", f"/{{scope:path}}{_ASSIGNMENTS}", assignments,
          "who has which role on something, and above it"),
    Route(Service.MANAGEMENT, "GET", f"/subscriptions/{{subscription}}{_DEFINITIONS}/{{role}}", definition,
          "read a built-in role"),
)
