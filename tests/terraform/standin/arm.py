"""What Azure does when it is told to create, change or delete: it keeps what it is told, or refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from standin import azure, planning
from standin.cloud import Cloud, Item
from standin.facts import Facts, Values
from standin.schema import Block

# these have the id of what they are attached to
_ATTACHED = frozenset({"azurerm_subnet_network_security_group_association"})
_WORKSPACE = "azurerm_machine_learning_workspace"


class Refused(Exception):
    """What Azure or the provider would not do, in the words of a diagnostic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """The cloud as one provider configuration sees it."""

    cloud: Cloud
    subscription: str
    tenant: str = azure.TENANT
    features: Mapping[str, Any] = field(default_factory=dict)

    def find(self, identifier: str) -> Values | None:
        """The values of what has this id, if it is in the cloud at all."""
        item = self.cloud.find(identifier)
        return item.values if item else None

    def all(self, kind: str) -> Iterable[Values]:
        """The values of everything of this type."""
        return (item.values for item in self.cloud.of_type(kind))

    def write(self, kind: str, block: Block, facts: Facts, prior: Values | None, planned: Values) -> dict[str, Any]:
        """Create what was planned, or change it if there is a *prior* state.

        Raises:
            Refused: with everything that is wrong.
        """
        said = planning.settled(planned)
        wrong = [why for rule in facts.plan_rules for why in rule(said, prior)]
        wrong += [why for rule in facts.apply_rules for why in rule(said, prior, self)]
        if wrong:
            raise Refused("; ".join(wrong))
        values = planning.apply(block, facts, planned, self.subscription, prior["id"] if prior else None)
        item = Item(type=kind, id=values["id"], values=values)
        if prior is None:
            self._refuse_taken(item, facts)
            self._refuse_orphan(item.id)
        self.cloud.put(item)
        return values

    def _refuse_taken(self, item: Item, facts: Facts) -> None:
        if self.cloud.find(item.id, item.type if item.type in _ATTACHED else None):
            raise Refused(
                f"a resource with the ID {item.id!r} already exists - to be managed via Terraform this resource needs to be"
                f" imported into the State. Please see the resource documentation for {item.type!r} for more information."
            )
        names = {str(other.values["name"]).lower() for other in self.cloud.of_type(item.type)} if facts.unique else set()
        if facts.unique and item.values["name"].lower() in names:
            raise Refused(f"the name {item.values['name']!r} is already taken; names of {item.type} are unique in all of Azure")

    def _refuse_orphan(self, identifier: str) -> None:
        """Refuse what would lie in a group, or in a resource of a known group, that does not exist."""
        group = azure.group_of(identifier)
        if group is None or group == identifier or azure.subscription_of(group) != self.subscription.lower():
            return
        owner = azure.owner_of(identifier)
        if not self.cloud.find(group):
            if owner is None:
                name = group.rsplit("/", 1)[1]
                raise Refused(f"creating {identifier}: ResourceGroupNotFound: Resource group '{name}' could not be found.")
        elif owner and not self.cloud.find(owner):
            raise Refused(f"creating {identifier}: ParentResourceNotFound: {owner} does not exist")

    def delete(self, kind: str, prior: Values) -> None:
        """Delete what exists, and all that lies in it. What is gone already is no mistake.

        Raises:
            Refused: something is in the way.
        """
        item = self.cloud.find(prior["id"], kind)
        if item is None:
            return
        if kind != "azurerm_management_lock":
            self._refuse_locked(item.id)
        if kind == "azurerm_resource_group":
            self._refuse_full(item)
        self.cloud.remove(item)
        if kind == _WORKSPACE and not self._feature("machine_learning", "purge_soft_deleted_workspace_on_destroy", False):
            self.cloud.put(Item(type=f"deleted:{kind}", id=f"deleted:{item.id}", values={}))

    def _refuse_locked(self, identifier: str) -> None:
        for lock in self.cloud.of_type("azurerm_management_lock"):
            scope = str(lock.values["scope"])
            if azure.within(identifier, scope):
                raise Refused(
                    f"deleting {identifier}: ScopeLocked: The scope '{identifier}' cannot perform delete operation because"
                    f" following scope(s) are locked: '{scope}'. Please remove the lock and try again."
                )

    def _refuse_full(self, group: Item) -> None:
        if not self._feature("resource_group", "prevent_deletion_if_contains_resources", True):
            return
        inside = sorted(
            other.id for other in self.cloud.items() if other.id != group.id and azure.group_of(other.id) == group.id
        )
        own = [identifier for identifier in inside if "/Microsoft.Authorization/" not in identifier]
        if own:
            listed = "".join(f"\n* `{identifier}`" for identifier in own)
            raise Refused(
                f"deleting Resource Group {group.values['name']!r}: the Resource Group still contains Resources.\n\nTerraform is"
                f" configured to check for Resources within the Resource Group when deleting the Resource Group:{listed}"
            )

    def _feature(self, name: str, option: str, default: bool) -> bool:
        for block in self.features.get(name) or ():
            if block.get(option) is not None:
                return bool(block[option])
        return default
