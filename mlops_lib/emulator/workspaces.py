"""Workspaces: made with their datastores and computes when the emulator starts, read by clients."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from . import arm, mlflow
from .computes import body_of
from .datastores import blob_datastore
from .resources import Resource
from .router import PROVIDER, WORKSPACE, Route, Service
from .setup import container
from .surroundings import make_surroundings
from .wire import Request, Response

if TYPE_CHECKING:
    from .world import World

_SERVICES = ("api", "catalog", "experimentation", "gallery", "history", "hyperdrive", "labeling", "modelmanagement",
             "pipelines", "studio")
_BUILT_IN = ("workspaceblobstore", "workspaceartifactstore")


def make_workspace(world: World, name: str) -> str:
    """A workspace as Terraform makes it, unless it is there; its id."""
    setup = world.setup
    key = setup.workspace_id(name)
    for datastore in _BUILT_IN:
        world.account.create(container(name, datastore))
    for datastore, place in setup.datastores.items():
        (world.account_of(place.account) or world.account).create(place.container or container(name, datastore))
    with world.resources.together():
        if world.resources.find(key) is not None:
            return key
        outputs = setup.outputs(name)
        make_surroundings(world, outputs)
        world.resources.put(key, {
            "location": world.location, "tags": {"stage": setup.stage}, "kind": "Default",
            "identity": {"type": "SystemAssigned", "tenantId": setup.tenant, "principalId": setup.client},
            "sku": {"name": "Basic", "tier": "Basic"},
            "properties": {
                "friendlyName": name, "description": "", "provisioningState": "Succeeded", "hbiWorkspace": False,
                "workspaceId": str(uuid.uuid4()), "tenantId": setup.tenant,
                "storageAccount": outputs["storage"]["id"], "keyVault": outputs["vault"]["id"],
                "applicationInsights": outputs["app_insights"]["id"], "containerRegistry": outputs["registry"]["id"],
                "discoveryUrl": outputs["workspace"]["discovery_url"],
                "publicNetworkAccess": "Enabled", "v1LegacyMode": False,
                "systemDatastoresAuthMode": "accesskey" if setup.storage_keys else "identity",
            }})
        for datastore in (*_BUILT_IN, *setup.datastores):
            default = datastore == "workspaceblobstore"
            world.resources.put(f"{key}/datastores/{datastore}", blob_datastore(
                world, container(name, datastore), default=default, description="default datastore" if default else "",
                told=setup.datastores.get(datastore)))
        for compute, told in setup.computes.items():
            if told.kind == "kubernetes":
                continue  # whoever wants it attaches it
            world.resources.put(f"{key}/computes/{compute}", body_of(told, world.location))
    return key


def get(world: World, request: Request) -> Response:
    found = arm.workspace(world, request)
    return Response(body=_shown(world, found), headers={"ETag": found.etag})


def _shown(world: World, workspace: Resource) -> dict[str, Any]:
    """A workspace with the address of its MLflow."""
    answer = arm.shown(workspace)
    return {**answer, "properties": {**answer["properties"], "mlFlowTrackingUri": mlflow.address(world.location, workspace.id)}}


def listed(world: World, request: Request) -> Response:
    collection = (f"/subscriptions/{request['subscription']}/resourceGroups/{request['group']}/providers/"
                  "Microsoft.MachineLearningServices/workspaces")
    return arm.page(world, request, [_shown(world, found) for found in world.resources.all_in(collection)])


def discovery(world: World, request: Request) -> Response:
    """Where a workspace's services are: all behind one host."""
    address = f"https://{request.host}"
    return Response(body=dict.fromkeys(_SERVICES, address))


ROUTES = (
    Route(Service.MANAGEMENT, "GET", f"{PROVIDER}/workspaces", listed, "list workspaces"),
    Route(Service.MANAGEMENT, "GET", WORKSPACE, get, "read a workspace"),
    Route(Service.WORKSPACE, "GET", "/discovery", discovery, "where the workspace's services are", open=True),
)
