"""A model becomes the champion of a stage, or the one before it does again: what is written, and in which order."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .document import parse, plain
from .errors import CompileError, InputError
from .evidence import Evidence, Signature, signature_of
from .gate import Gate
from .promote import Decision, approval, decide, way
from .stores.models import (
    CHAMPION,
    DECISION,
    DEPLOYMENT,
    EVIDENCE,
    FOLLOW_UP,
    GATE,
    LINEAGE,
    PROMOTION,
    REPLACES,
    RESERVED,
    ROLLBACK_OF,
    ModelFile,
    Models,
    ModelVersion,
    Registry,
    Repointed,
    champion_of,
    find_version,
    promotion_of,
    streamed,
)

_STEP = {"from", "to", "by", "at", "approved_by"}  # of what is told of each promotion, what is shown

Known = Callable[[ModelVersion, "ModelVersion | None"], "tuple[Evidence, Evidence | None]"]
Tell = Callable[[Repointed], None]
_MOST_PENDING = 20  # a tag's text is short


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A promotion that somebody asks for.

    Attributes:
        gate: What decides.
        gate_file: How records call its file.
        gate_text: That file's content.
        actor: Who promotes.
        approved_by: Who is said to have approved it.
        approval: Whose approval the stage wants: see :func:`~mlops_lib.promote.approval`.
        at: When, in ISO 8601.
        after: The stage that the version must have been a champion of: see :func:`~mlops_lib.promote.way`.
    """

    gate: Gate
    gate_file: str
    gate_text: bytes
    actor: str
    approved_by: str | None
    approval: str
    at: str
    after: str | None = None


def promote(source: Models, version: ModelVersion, target: Registry, request: Request, known: Known,
            tell: Tell = lambda repointed: None) -> tuple[Decision, ModelVersion | None]:
    """Judge a version of *source*, and make it the champion of *target* when it passes.

    The bytes and all that is told of them are written first, and are there as a version with the champion's tags in one step;
    then the old champion's tag is taken away, and what the stage has that names the old champion is told the new one. Whenever
    the process dies, exactly one version is the champion by :func:`~mlops_lib.stores.models.champion_of`, and promoting the
    same or another one again finishes what was left.

    Args:
        source: Where the version is.
        version: The candidate.
        target: The registry of the stage.
        request: Who asks, and by which gate.
        known: What is known of the candidate and of the champion, without tags and signatures.
        tell: Is told what named the old champion; of a refused version only when it is the champion itself, whose promotion
            was not finished.

    Returns:
        The decision, and the new champion; None when it was refused, and then nothing has changed.

    Raises:
        Refused: somebody else is promoting, or the bytes are not those that were measured or sent.
    """
    with target.claim(version.name):
        current = champion_of(target, version.name)
        current = target.measured(current) if current is not None else None
        version = source.measured(version)
        candidate, champion = known(version, current)
        candidate = _described(candidate, source, version)
        champion = _described(champion, target, current) if champion is not None and current is not None else None
        decision = decide(request.gate, candidate, champion)
        asked = (way(request.after, source.name, str(version), promotion_of(version)),
                 approval(request.approval, request.actor, request.approved_by))
        decision = dataclasses.replace(decision, checks=(*decision.checks, *(check for check in asked if check is not None)))
        if not decision.passed:
            if current is not None and current.digest == version.digest:
                _finish(target, current, tell)
            return decision, None
        number = 1 + max((promotion_of(other) for other in target.versions(version.name)), default=0)
        tags = {name: text for name, text in version.tags.items() if name not in RESERVED} | {
            DEPLOYMENT: CHAMPION, PROMOTION: str(number), "promoted_by": request.actor, "promoted_at": request.at}
        if current is not None:
            tags[REPLACES] = current.version
        if follow_up := _follow_up(target, current):
            tags[FOLLOW_UP] = follow_up
        if request.approved_by:
            tags["approved_by"] = request.approved_by
        notes = {DECISION: _json(decision.to_dict()), EVIDENCE: _json(candidate.to_dict()), GATE: request.gate_text,
                 LINEAGE: _json(_lineage(source, version, target, request, decision))}
        with streamed(source, version) as contents:
            stored = target.write(dataclasses.replace(version, tags=tags), contents, notes)
        _settle(target, stored)
        _repoint(target, stored, tell)
    return decision, stored


def refresh(registry: Registry, name: str, tell: Tell) -> ModelVersion:
    """Finish what a promotion or a rollback has left: the tags of champions of before, and what names the last one.

    Returns:
        The champion.

    Raises:
        InputError: there is none.
    """
    with registry.claim(name):
        champion = find_version(registry, name, CHAMPION)
        _finish(registry, champion, tell)
    return champion


def rollback(registry: Registry, name: str, *, actor: str, at: str,
             tell: Tell = lambda repointed: None) -> tuple[ModelVersion, ModelVersion]:
    """Make the champion before the current one the champion again; again, the one before that.

    Args:
        registry: The stage's.
        name: The model.
        actor: Who does.
        at: When, in ISO 8601.
        tell: Is told what named the champion until now.

    Returns:
        The champion of now, and the one that it was.

    Raises:
        InputError: there is no champion, or none before it; Refused: its bytes are not what they were.
    """
    with registry.claim(name):
        current = champion_of(registry, name)
        if current is None:
            find_version(registry, name)  # tells of a name that no model has
            raise InputError(f"the model {name!r} has no champion in {registry.name}", fix="promote one first")
        versions = {version.version: version for version in registry.versions(name)}
        before = versions.get(current.tags.get(REPLACES, ""))
        if before is None:
            raise InputError(f"no champion of {name!r} was before {current} in {registry.name}",
                             why="a rollback goes back to the version that the champion has replaced",
                             fix=f"promote another: mlops models promote {name}:VERSION --from runs --to {registry.name}")
        with streamed(registry, registry.measured(before)) as contents:
            for _, stream in contents:
                while stream.read(1 << 20):
                    pass
        number = 1 + max(promotion_of(version) for version in versions.values())
        registry.tag(before, {DEPLOYMENT: CHAMPION, PROMOTION: str(number), "promoted_by": actor, "promoted_at": at,
                              "approved_by": None, ROLLBACK_OF: current.version,
                              FOLLOW_UP: _follow_up(registry, current, before.version)})
        _settle(registry, before)
        _repoint(registry, find_version(registry, name, before.version), tell)
    return find_version(registry, name, before.version), current


def _settle(registry: Registry, champion: ModelVersion) -> list[ModelVersion]:
    """Take the champion's tag from all others, also from one that a killed process has left with it; those that had it."""
    others = [version for version in registry.versions(champion.name)
              if version.version != champion.version and version.tags.get(DEPLOYMENT) == CHAMPION]
    for version in others:
        registry.tag(version, {DEPLOYMENT: None})
    return others


def _finish(registry: Registry, champion: ModelVersion, tell: Tell) -> None:
    """What a process that was killed, or that Azure refused something, has not done for the champion."""
    for version in _settle(registry, champion):
        tell(Repointed(what=f"the champion's tag of {version}"))
    _repoint(registry, champion, tell)


def _repoint(registry: Registry, champion: ModelVersion, tell: Tell) -> None:
    """Let what names a champion of before name this one, as long as its tag says that there may be such."""
    olds = _pending(champion)
    if not olds:
        return
    left = False
    for repointed in registry.repoint(olds, champion):
        left = left or repointed.problem is not None
        tell(repointed)
    if not left:
        registry.tag(champion, {FOLLOW_UP: None})


def _pending(champion: ModelVersion | None) -> tuple[str, ...]:
    """The versions that something may still name in a champion's place."""
    return tuple((champion.tags.get(FOLLOW_UP) or "").split()) if champion is not None else ()


def _follow_up(registry: Registry, current: ModelVersion | None, new: str = "") -> str | None:
    """That tag of the version that takes the place of *current*: what the latter still had to do is now to do for it."""
    if current is None or not registry.referred:
        return None
    olds = [version for version in dict.fromkeys((current.version, *_pending(current))) if version != new]
    return " ".join(olds[:_MOST_PENDING])


def _described(evidence: Evidence, models: Models, version: ModelVersion) -> Evidence:
    """*evidence* with what the registry knows: tags, the signature, and the size, whatever was measured."""
    files = models.files(version)
    return dataclasses.replace(evidence, tags=version.tags, size=sum(file.size for file in files),
                               signature=_signature(models, version, files))


def read_signature(models: Models, version: ModelVersion) -> Signature | None:
    """The signature in a version's ``MLmodel``; None when it has none.

    Raises:
        InputError: the file is not as MLflow writes it.
    """
    return _signature(models, version, models.files(version))


def _signature(models: Models, version: ModelVersion, files: Iterable[ModelFile]) -> Signature | None:
    if not any(file.name == "MLmodel" for file in files):
        return None
    with models.open(version, "MLmodel") as stream:
        content = stream.read(5_000_001)
    try:
        told = plain(parse(content, "MLmodel"))
        return signature_of(told)
    except (CompileError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"the file MLmodel of {version} in {models.name} is not as MLflow writes it",
                         why=str(error).splitlines()[0], fix="save the model with MLflow") from None


def read_lineage(models: Models, version: ModelVersion) -> dict[str, Any]:
    """Where a version comes from: ``origin``, what made it, and ``promotions``, oldest first.

    Raises:
        InputError: what is told of that is damaged.
    """
    told = _noted(models, version, LINEAGE)
    if told is None:
        return {"origin": None, "promotions": []}
    promotions = told.get("promotions")
    if not isinstance(promotions, list) or not all(isinstance(step, dict) and step.keys() >= _STEP for step in promotions):
        raise _damaged(models, version, LINEAGE, "it does not tell the promotions")
    return told


def read_decision(models: Models, version: ModelVersion) -> dict[str, Any] | None:
    """The decision that made a version champion, as :meth:`Decision.to_dict` told it; None when there was none.

    Raises:
        InputError: it is damaged.
    """
    told = _noted(models, version, DECISION)
    try:
        if told is not None:
            Decision.from_dict(told)
    except (KeyError, TypeError) as error:
        raise _damaged(models, version, DECISION, f"{type(error).__name__}: {error}") from None
    return told


def _noted(models: Models, version: ModelVersion, name: str) -> dict[str, Any] | None:
    found = models.note(version, name)
    try:
        told = json.loads(found) if found else None
    except ValueError as error:
        raise _damaged(models, version, name, str(error)) from None
    if told is not None and not isinstance(told, dict):
        raise _damaged(models, version, name, "it is no table")
    return told


def _damaged(models: Models, version: ModelVersion, name: str, why: str) -> InputError:
    return InputError(f"{name} of {version} in {models.name} is damaged", why=why, fix="promote the model again")


def _lineage(source: Models, version: ModelVersion, target: Registry, request: Request, decision: Decision) -> dict[str, Any]:
    """The lineage of the version that comes to be: that of the source, and this promotion."""
    told = read_lineage(source, version)
    return told | {"promotions": [*told["promotions"], {
        "from": f"{source.name}/{version}", "to": target.name, "digest": version.digest, "by": request.actor,
        "approved_by": request.approved_by, "at": request.at, "gate": request.gate_file,
        "gate_digest": hashlib.sha256(request.gate_text).hexdigest(), "replaces": decision.champion}]}


def _json(told: Mapping[str, Any]) -> bytes:
    return (json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
