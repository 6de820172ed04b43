"""How many cores a subscription may have in a location, how many it has, and what a size of machine takes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from . import arm
from .router import Route, Service
from .wire import Request, Response

if TYPE_CHECKING:
    from .world import World

_LOCATION = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"


class Size(NamedTuple):
    """A size of virtual machine, of a few that Azure ML has."""

    name: str
    family: str
    cores: int
    memory_gb: float
    gpus: int = 0


SIZES = (
    Size("Standard_DS2_v2", "standardDSv2Family", 2, 7), Size("Standard_DS3_v2", "standardDSv2Family", 4, 14),
    Size("Standard_DS4_v2", "standardDSv2Family", 8, 28), Size("Standard_DS11_v2", "standardDSv2Family", 2, 14),
    Size("Standard_DS12_v2", "standardDSv2Family", 4, 28), Size("Standard_D4s_v3", "standardDSv3Family", 4, 16),
    Size("Standard_D8s_v3", "standardDSv3Family", 8, 32), Size("Standard_D4as_v4", "standardDASv4Family", 4, 16),
    Size("Standard_E4s_v3", "standardESv3Family", 4, 32), Size("Standard_F4s_v2", "standardFSv2Family", 4, 8),
    Size("Standard_F8s_v2", "standardFSv2Family", 8, 16), Size("Standard_F16s_v2", "standardFSv2Family", 16, 32),
    Size("Standard_NC4as_T4_v3", "standardNCASv3_T4Family", 4, 28, 1),
    Size("Standard_NC6s_v3", "standardNCSv3Family", 6, 112, 1),
    Size("Standard_NC24ads_A100_v4", "standardNCADSA100v4Family", 24, 220, 1),
)


def sizes(world: World, request: Request) -> Response:
    """The sizes that there are; Azure gives them in one answer."""
    return Response(body={"value": [{
        "name": size.name, "family": size.family, "vCPUs": size.cores, "gpus": size.gpus, "memoryGB": size.memory_gb,
        "osVhdSizeMB": 1_047_552, "maxResourceVolumeMB": 8192 * size.cores, "lowPriorityCapable": True, "premiumIO": True,
        "supportedComputeTypes": ["AmlCompute", "ComputeInstance"]} for size in SIZES]})


def usages(world: World, request: Request) -> Response:
    """Cores in use and allowed: of each family and of all, dedicated ones and those of low priority."""
    used = _used(world)
    rows = []
    for kind, total in (("dedicatedCores", "TotalDedicatedCores"), ("lowPriorityCores", "TotalLowPriorityCores")):
        every = sum(count for (_, of_kind), count in used.items() if of_kind == kind)
        rows.append(_row(request, f"{kind}/usages", total, every, world.setup.cores))
        for family in dict.fromkeys(size.family for size in SIZES):
            # Azure limits cores of low priority by their total alone, and says so with -1.
            limit = world.setup.cores if kind == "dedicatedCores" else -1
            rows.append(_row(request, f"vmFamily/{kind}/usages", family, used.get((family, kind), 0), limit))
    return arm.page(world, request, rows)


def _row(request: Request, kind: str, name: str, used: int, limit: int) -> dict[str, Any]:
    return {"id": f"{request.path}/{kind}/{name}", "type": f"Microsoft.MachineLearningServices/{kind}", "unit": "Count",
            "currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": name}}


def _used(world: World) -> dict[tuple[str, str], int]:
    """The cores of the nodes that computes have now."""
    by_name = {size.name.lower(): size for size in SIZES}
    used: dict[tuple[str, str], int] = {}
    for compute in world.resources.below(world.setup.group_id):
        inner = compute.properties.get("properties") or {}
        size = by_name.get(str(inner.get("vmSize")).lower()) if "/computes/" in compute.id else None
        if size is not None:
            nodes = inner.get("currentNodeCount", 1 if inner.get("state") == "Running" else 0)
            key = size.family, "lowPriorityCores" if inner.get("vmPriority") == "LowPriority" else "dedicatedCores"
            used[key] = used.get(key, 0) + nodes * size.cores
    return used


ROUTES = (
    Route(Service.MANAGEMENT, "GET", f"{_LOCATION}/vmSizes", sizes, "the sizes of machines that a location has"),
    Route(Service.MANAGEMENT, "GET", f"{_LOCATION}/usages", usages, "cores in use, and how many may be"),
)
