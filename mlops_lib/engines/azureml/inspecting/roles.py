"""Whether the identities of a stage have the roles that Terraform grants them, as far as roles can be seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ....infra.roles import Grant, expected
from ..workspace import Look, Workspace
from .report import Fact, Lack, Report, Unread

_VERSION: Final = "2022-04-01"


def questions(workspace: Workspace) -> list[Any]:
    """What is to be asked."""
    return [lambda: _roles(workspace)]


def _roles(workspace: Workspace) -> Report:
    stage = workspace.stage
    grants: dict[str, list[Grant]] = {}
    for grant in expected(stage):
        grants.setdefault(grant.scope, []).append(grant)

    def assigned(scope: str) -> Look:
        return workspace.look_at_all(f"{scope}/providers/Microsoft.Authorization/roleAssignments", version=_VERSION,
                                     doing=f"read the roles on {grants[scope][0].on}", **{"$filter": "atScope()"})

    looks = dict(zip(grants, workspace.each(assigned, grants), strict=True))
    names = _names(workspace, {item["properties"]["roleDefinitionId"] for look in looks.values() for item in look.found or ()})
    facts, lacks, unread = [], [], []
    known = {who for who, identity in stage.identities.items() if identity.principal_id}
    unread += [Unread(f"the roles of the identity {who!r}", "the outputs do not say its principal_id")
               for who in sorted({grant.who for grant in expected(stage)} - known)]
    for scope, wanted in grants.items():
        look = looks[scope]
        if look.found is None:
            # What does not exist is told where resources are looked at.
            unread.append(Unread.of(f"the roles on {wanted[0].on}", look))
            continue
        wanted = [grant for grant in wanted if grant.who in known]
        held = {who: _held(stage.identities[who].principal_id, look.found, names) for who in known}
        unmet = [grant for grant in wanted if not grant.met_by(held[grant.who])]
        lacks += [_lack(stage.name, grant) for grant in unmet]
        if wanted and not unmet:
            facts.append(Fact("roles", wanted[0].on, "granted", f"{len(wanted)} as they should be"))
    return Report(tuple(facts), tuple(lacks), tuple(unread))


def _names(workspace: Workspace, ids: Iterable[str]) -> Mapping[str, str]:
    """The names of roles; of one that cannot be seen, its id."""
    def name(key: str) -> str:
        look = workspace.look(key, doing="read a role", version=_VERSION)
        return str(look.found["properties"]["roleName"]) if look.found else key

    every = sorted(ids)
    return dict(zip(every, workspace.each(name, every), strict=True))


def _held(principal: str | None, assignments: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> set[str]:
    return {names[item["properties"]["roleDefinitionId"]] for item in assignments
            if str(item["properties"]["principalId"]).lower() == str(principal).lower()}


def _lack(stage: str, grant: Grant) -> Lack:
    return Lack(what=f"the identity {grant.who!r} has not the role {' or '.join(map(repr, grant.roles))} on {grant.on}",
                why="Terraform grants it, and what the identity is for needs it",
                fix=f"apply the stage {stage!r} again; a role takes some minutes until it counts")
