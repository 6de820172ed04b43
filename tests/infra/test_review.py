import re
from typing import Any

import pytest

from mlops_lib.errors import InputError
from mlops_lib.infra.review import KEPT, review

WORKSPACE = "module.stage.module.workspace.azurerm_machine_learning_workspace.this"


def change(address: str, *actions: str, **more: Any) -> dict[str, Any]:
    return {"address": address, "type": re.findall(r"azurerm_\w+", address)[-1], "change": {"actions": list(actions), "before": None, "after": None, **more}}


def plan(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"planned_values": {}, "resource_changes": list(changes)}


def network(mode: str | None) -> dict[str, Any]:
    return {"managed_network": [{"isolation_mode": mode}] if mode else []}


def test_what_is_deleted_or_replaced_is_a_loss_and_says_why() -> None:
    deleted = change('module.data["data"].azurerm_storage_account.this', "delete")
    replaced = change(WORKSPACE, "delete", "create", replace_paths=[["key_vault_id"], ["identity", 0, "type"]])
    first, second = review(plan(replaced, deleted))
    assert str(first) == 'module.data["data"].azurerm_storage_account.this would be deleted: with it all that is in it'
    assert (second.what, second.because) == ("replaced", ("key_vault_id", "identity.0.type"))
    assert "would be replaced because of key_vault_id, identity.0.type: with it its models" in str(second)


@pytest.mark.parametrize("kind", KEPT)
def test_all_that_cannot_be_made_again_is_looked_for(kind: str) -> None:
    assert len(review(plan(change(f"{kind}.this", "create", "delete")))) == 1


def test_what_can_be_made_again_is_no_loss() -> None:
    assert review(plan(change("azurerm_role_assignment.this", "delete"), change(WORKSPACE, "update", before=network("Disabled"), after=network("AllowInternetOutbound")))) == ()
    assert review({"planned_values": {}}) == ()


@pytest.mark.parametrize(("before", "after"), [("AllowOnlyApprovedOutbound", "AllowInternetOutbound"), ("AllowInternetOutbound", "Disabled")])
def test_a_network_is_not_opened_again(before: str, after: str) -> None:
    [loss] = review(plan(change(WORKSPACE, "update", before=network(before), after=network(after))))
    assert f"opened again, from {before} to {after}, which Azure refuses" in str(loss)


@pytest.mark.parametrize("mode", [None, "Unknown"])
def test_a_mode_that_is_not_told_is_no_loss(mode: str | None) -> None:
    assert review(plan(change(WORKSPACE, "update", before=network("AllowInternetOutbound"), after=network(mode)))) == ()


def test_a_loss_that_is_meant_passes_and_no_other() -> None:
    vault = 'module.key_vault.azurerm_key_vault.this["own"]'
    changes = plan(change(vault, "delete"), change(WORKSPACE, "delete"))
    assert [loss.address for loss in review(changes, allowed=[vault])] == [WORKSPACE]
    with pytest.raises(InputError, match=r"the plan changes no 'azurerm_key_vault\.other'"):
        review(changes, allowed=["azurerm_key_vault.other"])


def test_a_plan_that_ended_with_an_error_is_refused() -> None:
    with pytest.raises(InputError, match="the plan is not whole"):
        review({**plan(), "errored": True})


@pytest.mark.parametrize("document", [[], {}, {"planned_values": {}, "resource_changes": "x"}, {"planned_values": {}, "resource_changes": [{"address": "x"}]}, "text",
                                      {"planned_values": {}, "resource_changes": [{"address": "x", "type": "azurerm_key_vault", "change": {}}]}])  # fmt: skip
def test_what_is_no_plan_is_refused(document: Any) -> None:
    with pytest.raises(InputError, match="not a plan of Terraform's"):
        review(document)
