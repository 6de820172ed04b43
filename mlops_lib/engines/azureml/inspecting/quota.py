"""Whether the subscription may have as many cores as the clusters of a stage can grow to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ....infra import Compute
from ..workspace import Workspace
from .report import Fact, Lack, Report, Unread

_VERSION: Final = "2024-10-01"
_TOTAL: Final = {"dedicatedCores": "TotalDedicatedCores", "lowPriorityCores": "TotalLowPriorityCores"}


class _Limit(NamedTuple):
    """Of how many cores how many are in use."""

    name: str
    used: int
    cores: int


def questions(workspace: Workspace) -> list[Any]:
    """What is to be asked: nothing when no cluster is to grow."""
    clusters = {name: told for name, told in workspace.stage.computes.items() if told.kind == "cluster" and told.max_nodes}
    return [lambda: _quota(workspace, clusters)] if clusters else []


def _quota(workspace: Workspace, clusters: Mapping[str, Compute]) -> Report:
    stage = workspace.stage
    location = (f"/subscriptions/{stage.subscription_id}/providers/Microsoft.MachineLearningServices/locations/"
                f"{stage.workspace['location']}")
    asked = {"vmSizes": "list the sizes of machines", "usages": "read the quota"}
    looks = workspace.each(lambda what: workspace.look_at_all(f"{location}/{what}", doing=asked[what], version=_VERSION), asked)
    for look in looks:
        if look.found is None:
            return Report(unread=(Unread.of("the quota", look),))
    sizes = {size["name"].lower(): size for size in looks[0].found}
    limits = dict(_limits(looks[1].found))
    reports = [_of_cluster(name, told, sizes, limits, stage.workspace["location"]) for name, told in sorted(clusters.items())]
    shown = {fact.name: fact for report in reports for fact in report.facts}
    return Report(tuple(shown.values()), tuple(lack for report in reports for lack in report.lacks))


def _limits(usages: Iterable[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], _Limit]]:
    """By kind of cores and family, which in Azure's answers differ in the type alone; those without a limit are left out."""
    for usage in usages:
        kind = next((kind for kind in _TOTAL if f"{kind}/" in str(usage.get("type"))), None)
        name, limit = (usage.get("name") or {}).get("value"), usage.get("limit")
        if kind and name and isinstance(limit, int) and limit >= 0:
            yield (kind, name.lower()), _Limit(name, usage.get("currentValue") or 0, limit)


def _of_cluster(name: str, told: Compute, sizes: Mapping[str, Mapping[str, Any]],
                limits: Mapping[tuple[str, str], _Limit], location: str) -> Report:
    size = sizes.get((told.vm_size or "").lower())
    if size is None:
        return Report(lacks=(Lack(what=f"the size {told.vm_size!r} of compute {name!r} is not to be had in {location}",
                                  why="Azure ML does not list it there", fix="choose another size"),))
    kind = "lowPriorityCores" if told.low_priority else "dedicatedCores"
    wanted = (told.max_nodes or 0) * size["vCPUs"]
    found = [limits[key] for key in ((kind, str(size.get("family")).lower()), (kind, _TOTAL[kind].lower())) if key in limits]
    facts = [Fact("quota", limit.name, "enough" if wanted <= limit.cores else "too little",
                  f"{limit.used} of {limit.cores} cores in use") for limit in found]
    lacks = [Lack(what=f"the compute {name!r} cannot grow to its {told.max_nodes} nodes",
                  why=f"they have {wanted} cores ({told.vm_size} has {size['vCPUs']}), and the quota of {limit.name} in "
                      f"{location} is {limit.cores}",
                  fix="ask for more quota (Azure portal, Quotas, Machine learning), or let it have fewer nodes")
             for limit in found if wanted > limit.cores]
    return Report(tuple(facts), tuple(lacks[:1]))
