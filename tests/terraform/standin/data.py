"""What data sources answer: who is asking, and what the cloud holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from standin import azure
from standin.arm import Arm


def read(kind: str, config: Mapping[str, Any], arm: Arm) -> Mapping[str, Any]:
    """The values of data source *kind*.

    Raises:
        LookupError: nothing that exists has these names.
    """
    if kind == "azurerm_client_config":
        who = {"client_id": azure.CLIENT, "tenant_id": arm.tenant, "subscription_id": arm.subscription, "object_id": azure.OBJECT}
        return {**who, "id": azure.made_up(arm.tenant, arm.subscription)}
    if kind == "azurerm_subscription":
        asked = config.get("subscription_id") or arm.subscription
        return {
            "id": f"/subscriptions/{asked}",
            "subscription_id": asked,
            "display_name": "Stand-in",
            "tenant_id": arm.tenant,
            "state": "Enabled",
            "tags": {},
        }
    said = {name: value for name, value in config.items() if value is not None and not isinstance(value, list)}
    for item in arm.cloud.of_type(kind):
        if all(item.values.get(name) == value for name, value in said.items()):
            return {**item.values}
    names = ", ".join(f"{name} = {value!r}" for name, value in sorted(said.items()))
    raise LookupError(f"{kind} with {names} was not found")
