"""The form in which facts are told, and what several of them share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

from standin import azure
from standin.wire import UNKNOWN

Values = Mapping[str, Any]


class World(Protocol):
    """What a rule may know beyond the resource that it judges."""

    @property
    def subscription(self) -> str:
        """The provider's own."""

    def find(self, identifier: str) -> Values | None:
        """The values of what has this id, if it is in the cloud at all."""

    def all(self, kind: str) -> Iterable[Values]:
        """The values of everything of this type."""


PlanRule = Callable[[Values, Values | None], Iterator[str]]
ApplyRule = Callable[[Values, Values | None, World], Iterator[str]]
Answer = str | Callable[[Values], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What azurerm and Azure know about one kind of resource, beyond its schema.

    A name with dots is inside nested blocks. *id* is a pattern over the resource's own values, ``{group}``, ``{subscription}``
    and ``{uuid}``, or a function of these. *computed* gives in the same way what Azure answers where a value is left out;
    inside a block, ``block`` is that block. *computed_blocks* are blocks that Azure fills when they are left out.

    Refused on their own, by validation: *choices*, *ranges*, *patterns* (with what the name must be like), *ids* (of which
    kind an id must be; ``*`` for any), and of the groups in *exactly_one* and *at_least_one* all but the right number.
    *plan_rules* are azurerm's checks when it plans. *apply_rules* are refused only when it is applied, by azurerm or Azure.
    *unique* names are taken once in all of Azure.
    """

    id: Answer
    force_new: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    computed: Mapping[str, Answer] = field(default_factory=dict)
    computed_blocks: Mapping[str, Callable[[Values], Any]] = field(default_factory=dict)
    sensitive: frozenset[str] = frozenset()
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    patterns: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ids: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    exactly_one: tuple[tuple[str, ...], ...] = ()
    at_least_one: tuple[tuple[str, ...], ...] = ()
    plan_rules: tuple[PlanRule, ...] = ()
    apply_rules: tuple[ApplyRule, ...] = ()
    unique: bool = False


# a resource group's members: where they are and what they are called is what they are
PLACE = ("name", "location", "resource_group_name")
UUID = (azure.UUID, "must be a UUID")
URL = (r"https?://\S+", "must be a URL")

# principal and tenant of a managed identity that the resource itself has
IDENTITY: Mapping[str, Answer] = {
    "identity.principal_id": lambda it: it["uuid"] if "SystemAssigned" in it["block"]["type"] else "",
    "identity.tenant_id": lambda it: azure.TENANT if "SystemAssigned" in it["block"]["type"] else "",
}
IDENTITY_CHOICES: Mapping[str, tuple[Any, ...]] = {
    "identity.type": ("SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned")
}
IDENTITY_IDS: Mapping[str, str | tuple[str, ...]] = {"identity.identity_ids": "Microsoft.ManagedIdentity/userAssignedIdentities"}


def identity_rule(values: Values, prior: Values | None) -> Iterator[str]:
    """User-assigned identities go with a type that says so, and only with it."""
    for identity in blocks(values, "identity"):
        kind, named = identity.get("type"), identity.get("identity_ids")
        if not known(kind) or named is UNKNOWN:
            continue
        if "UserAssigned" in kind and not named:
            yield f"`identity_ids` must be specified when `type` is set to {kind!r}"
        if "UserAssigned" not in kind and named:
            yield f"`identity_ids` can only be specified when `type` includes 'UserAssigned', not {kind!r}"


def known(value: Any) -> TypeGuard[Any]:
    """Whether *value* was given, and is not one that only apply will tell."""
    return value is not None and value is not UNKNOWN


def blocks(values: Values, name: str) -> list[Values]:
    """The blocks called *name*, as far as it is known which there are."""
    found = values.get(name)
    items = found if isinstance(found, list) else [found]
    return [item for item in items if isinstance(item, Mapping)]


def first(values: Values, name: str) -> Values:
    """The one block called *name*, or an empty one."""
    return next(iter(blocks(values, name)), {})


def duration(text: str) -> bool:
    """Whether *text* is an ISO 8601 duration that Azure takes."""
    pattern = r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?"
    return re.fullmatch(pattern, text) is not None
