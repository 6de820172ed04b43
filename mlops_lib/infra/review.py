"""What a Terraform plan would lose: the gate between a plan that was read and one that is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError

# What cannot be made again as it was, and what goes with it.
KEPT: Mapping[str, str] = {
    "azurerm_container_registry": "the images of its environments and deployments",
    "azurerm_key_vault": "its secrets and keys",
    "azurerm_machine_learning_compute_instance": "the files that its user keeps on it",
    "azurerm_machine_learning_workspace": "its models, jobs, endpoints and their history; its name is taken for 14 days",
    "azurerm_storage_account": "all that is in it",
    "azurerm_storage_container": "all that is in it",
}
ISOLATION_MODES = ("Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound")  # Azure goes from one to the next only
_SHAPE = {"address", "type", "change"}
_WORKSPACE = "azurerm_machine_learning_workspace"


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """Something that a plan would lose.

    Attributes:
        address: Terraform's address of the resource.
        what: ``deleted``, ``replaced``, or what of it Azure will not do.
        because: The arguments that force the replacement, where Terraform says so.
        lost: What goes with it.
    """

    address: str
    what: str
    because: tuple[str, ...] = ()
    lost: str = ""

    def __str__(self) -> str:
        reason = f" because of {', '.join(self.because)}" if self.because else ""
        return f"{self.address} would be {self.what}{reason}" + (f": with it {self.lost}" if self.lost else "")


def review(plan: Any, *, allowed: Iterable[str] = ()) -> tuple[Loss, ...]:
    """What a plan would lose, by address; nothing of *allowed*, whose loss somebody has agreed to.

    Args:
        plan: What ``terraform show -json`` says of a saved plan.
        allowed: Addresses of resources.

    Raises:
        InputError: it is no plan, or not the whole one, or has no resource of an allowed address.
    """
    changes = plan.get("resource_changes", []) if isinstance(plan, dict) and "planned_values" in plan else None
    if not isinstance(changes, list) or not all(map(_is_change, changes)):
        raise InputError("this is not a plan of Terraform's", why="a plan has planned_values and resource_changes",
                         fix="terraform show -json tfplan > plan.json")
    if plan.get("errored"):
        raise InputError("the plan is not whole", why="planning ended with an error, and what came after is not in it",
                         fix="mend what terraform plan said, and review the plan that it makes then")
    agreed = set(allowed)
    unknown = sorted(agreed - {change["address"] for change in changes})
    if unknown:
        raise InputError(f"the plan changes no {unknown[0]!r}", why="its loss was to be allowed",
                         fix="copy the address from the plan")
    return tuple(loss for change in sorted(changes, key=lambda change: str(change["address"]))
                 if change["address"] not in agreed for loss in _losses(change))


def _is_change(change: Any) -> bool:
    if not isinstance(change, dict) or not change.keys() >= _SHAPE:
        return False
    told = change["change"]
    return isinstance(told, dict) and isinstance(told.get("actions"), list)


def _losses(change: Mapping[str, Any]) -> Iterator[Loss]:
    kind, told = change["type"], change["change"]
    if kind in KEPT and "delete" in told["actions"]:
        because = tuple(".".join(str(part) for part in path) for path in told.get("replace_paths") or ())
        yield Loss(address=change["address"], what="replaced" if "create" in told["actions"] else "deleted", because=because,
                   lost=KEPT[kind])
    elif kind == _WORKSPACE and "update" in told["actions"]:
        before, after = _isolation(told.get("before")), _isolation(told.get("after"))
        if before in ISOLATION_MODES and after in ISOLATION_MODES and \
                ISOLATION_MODES.index(after) < ISOLATION_MODES.index(before):
            yield Loss(address=change["address"], what=f"opened again, from {before} to {after}, which Azure refuses",
                       because=("managed_network.isolation_mode",))


def _isolation(values: Mapping[str, Any] | None) -> str | None:
    network = (values or {}).get("managed_network") or [{}]
    mode = network[0].get("isolation_mode")
    return str(mode) if mode else None
