"""Components, environments, data and models of files, registered in a workspace; and those that it has, listed and shown.

A version carries the digest of its content as a property. So whoever registers the same content again, on any machine, finds
that it is there, and a version that exists is never given another content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ...catalogue import Catalogue
from ...errors import InputError, StageError, did_you_mean, listing
from ...references import parse_asset
from ...spec import CommandComponent
from ..assets import SEGMENTS, Registered, Wanted
from . import preflight, sdk
from .registration import waves
from .submission import digest
from .workspace import Workspace

CONTENT: Final = "mlops_content"  # the property of a version that has its digest
_VERSION: Final = "2024-10-01"
_UPLOAD_S: Final = 6 * 3600.0


def register(workspace: Workspace, things: Sequence[Wanted], catalogue: Catalogue) -> tuple[Registered, ...]:
    """Register what is not there already, several at a time; all is looked at before anything is sent.

    Raises:
        InputError: versions exist with other content, in which case nothing is registered; or Azure ML refuses one.
        StageError: the stage cannot be reached, or lacks what they name.
    """
    there = dict(zip(things, workspace.each(lambda one: _existing(workspace, one), things), strict=True))
    clashes = [one for one in things if _clashes(one, there[one])]
    if clashes:
        named = listing(f"{one.name}:{one.version} ({one.place})" for one in clashes)
        raise InputError(f"stage {workspace.stage.name!r} has {clashes[0].kind} versions with other content: {named}",
                         place=clashes[0].place, why="a version never changes; nothing was registered",
                         fix="give another version, or leave it out for the next number")
    fresh = [one for one in things if not _is(one, there[one])]
    environments = _environments(workspace, fresh, catalogue)
    made: dict[Wanted, Registered] = {}
    for wave in waves(fresh, lambda one: one.code or one.content):
        with sdk.muted():
            done = workspace.each(lambda one: _create(workspace, one, environments, new=not there[one]), wave)
        made.update(zip(wave, done, strict=True))
    return tuple(made.get(one) or _known(one, there[one]) for one in things)


def _existing(workspace: Workspace, one: Wanted) -> Mapping[str, Any]:
    """The version that is wanted, or the newest when none is said; empty when there is none."""
    versions = f"{SEGMENTS[one.kind]}/{one.name}/versions"
    doing = f"look for the {one}"
    if one.version is not None:
        return workspace.find(f"{versions}/{one.version}", doing=doing) or {}
    page = workspace.find(f"{versions}?$orderBy=createdtime%20desc&$top=1&listViewType=All", doing=doing) or {}
    return next(iter(page.get("value") or ()), {})


def _mark(found: Mapping[str, Any]) -> str | None:
    told = ((found.get("properties") or {}).get("properties") or {}).get(CONTENT)
    return str(told) if told else None


def _is(one: Wanted, found: Mapping[str, Any]) -> bool:
    return _mark(found) == one.content


def _clashes(one: Wanted, found: Mapping[str, Any]) -> bool:
    """Whether a version is there with other content. Of one that others registered Azure ML itself is asked."""
    return one.version is not None and _mark(found) not in (None, one.content)


def _known(one: Wanted, found: Mapping[str, Any]) -> Registered:
    return Registered(kind=one.kind, name=one.name, version=str(found["name"]), id=str(found["id"]), new=False, file=one.file)


def _environments(workspace: Workspace, fresh: Iterable[Wanted], catalogue: Catalogue) -> Mapping[Wanted, str]:
    """The environments of components: each registered once; those that are named have to be there, or in the project."""
    written: dict[str, list[Wanted]] = {}
    named: dict[str, preflight.Named] = {}
    for one in fresh:
        given = getattr(one.spec, "environment", None)
        asset = parse_asset(given) if isinstance(given, str) else None
        if asset is not None and asset.label is None and not asset.name.startswith("AzureML-"):
            named[str(given)] = preflight.Named("environment", asset.name, asset.version, one.place)
        elif asset is None and isinstance(one.spec, CommandComponent):
            environment = catalogue.environment(given, one.spec.folder)
            if environment is not None:
                written.setdefault(digest([environment.to_dict(), environment.folder]), []).append(one)
    lacking = preflight.lacking(workspace, list(named.values()), catalogue)
    if lacking:
        raise StageError(f"stage {workspace.stage.name!r} lacks what the components name", why="; ".join(lacking),
                         fix="mlops environments register FILE, or correct the name")

    def create(group: Sequence[Wanted]) -> str:
        environment = _load(group[0]).environment
        return str(workspace.call(f"register the environment of the {group[0]}",
                                  lambda: workspace.client.environments.create_or_update(environment).id, seconds=_UPLOAD_S))

    ids = workspace.each(create, list(written.values()))
    return {one: id_ for group, id_ in zip(written.values(), ids, strict=True) for one in group}


def _load(one: Wanted) -> Any:
    """The SDK's object of a file."""
    ml = sdk.module("azure.ai.ml")
    with sdk.quiet():
        return getattr(ml, f"load_{one.kind}")(str(one.file))


def _create(workspace: Workspace, one: Wanted, environments: Mapping[Wanted, str], *, new: bool) -> Registered:
    theirs = _load(one)
    theirs.properties = {**(theirs.properties or {}), CONTENT: one.content}
    if one in environments:
        theirs.environment = environments[one]
    operations = getattr(workspace.client, SEGMENTS[one.kind])
    made = workspace.call(f"register the {one}", lambda: operations.create_or_update(theirs), seconds=_UPLOAD_S)
    # A version that others registered, and that Azure ML took for the same, is not new.
    return Registered(kind=one.kind, name=one.name, version=str(made.id).rpartition("/")[2], id=str(made.id),
                      new=new or one.version is None, file=one.file)


# --- looking ---------------------------------------------------------------------------------------------------------


def listed(workspace: Workspace, kind: str) -> list[Mapping[str, Any]]:
    """The names of a kind that a workspace has, with the newest version of each: Azure's own words, sorted by name."""
    found = workspace.pages(f"{workspace.path}/{SEGMENTS[kind]}?listViewType=ActiveOnly", doing=f"list the {SEGMENTS[kind]}",
                            version=_VERSION)
    return sorted(found, key=lambda item: str(item["name"]))


def shown(workspace: Workspace, kind: str, name: str, version: str | None) -> tuple[Mapping[str, Any], list[str]]:
    """A version, or the newest, as Azure tells it; and all versions that there are, newest first.

    Raises:
        InputError: there is none.
    """
    look = workspace.look_at_all(f"{workspace.path}/{SEGMENTS[kind]}/{name}/versions", doing=f"look for the {kind} {name!r}",
                                 version=_VERSION, **{"$orderBy": "createdtime desc"})
    if look.denied is not None:
        raise look.denied
    versions = list(look.found or ())
    stage = workspace.stage.name
    if not versions:
        names = [str(item["name"]) for item in listed(workspace, kind)]
        raise InputError(f"stage {stage!r} has no {kind} {name!r}",
                         fix=did_you_mean(name, names) if names else f"mlops {SEGMENTS[kind]} register FILE --on {stage}")
    for found in versions:
        if version in (None, "latest", found["name"]):
            return found, [str(other["name"]) for other in versions]
    raise InputError(f"stage {stage!r} has no version {version!r} of the {kind} {name!r}",
                     fix=did_you_mean(str(version), [str(other["name"]) for other in versions]))


__all__ = ["CONTENT", "listed", "register", "shown"]
