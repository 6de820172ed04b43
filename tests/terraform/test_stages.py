"""Our roots, made, changed and taken away again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from roots import DATA_SCIENTISTS, ROOTS, STAGES, Bench, Made
from standin import azure
from standin.arm import Arm, Refused
from standin.runner import Root, changes

from mlops_lib.infra import contract

Makes = Callable[[str], Made]


def left(root: Root) -> list[str]:
    """What exists and is not in Azure's bin."""
    return sorted(item.id for item in root.cloud.items() if not item.type.startswith("deleted:"))


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_is_valid_without_a_warning(bench: Bench, name: str) -> None:
    said = json.loads(bench.stage(name).run("validate", "-json"))
    assert said["diagnostics"] == []
    assert said["valid"] is True


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_needs_project_place_and_who_and_is_at_rest_once_applied(made: Makes, name: str) -> None:
    found = made(name)
    assert set(changes(found.plan).values()) == {("create",)}
    assert changes(found.again) == {}


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_can_be_taken_away_and_leaves_nothing(made: Makes, bench: Bench, name: str) -> None:
    """Locks first, then what they keep; nothing that was made by the way stays behind."""
    twin = bench.twin(made(name).root)
    twin.destroy()
    assert left(twin) == []


@pytest.mark.parametrize("name", STAGES)
def test_the_library_reads_what_a_stage_says(made: Makes, name: str) -> None:
    stage = contract.read(made(name).root.output("aml"), name)
    assert stage.name == name
    assert stage.computes["cpu"].kind == "cluster"
    assert stage.datastores["raw"].type == "blob"
    assert stage.registry is not None
    (workspace,) = made(name).root.cloud.of_type("azurerm_machine_learning_workspace")
    assert stage.workspace["id"] == workspace.id


def test_bootstrap_says_what_a_stage_is_initialised_and_told_with(made: Makes) -> None:
    stages = made("bootstrap").root.output("stages")
    assert set(stages) == set(STAGES)
    for name, told in stages.items():
        assert told["backend"]["container_name"] == f"state-{name}"
        assert azure.is_uuid(told["ci_principal_id"])
        assert told["subscription_id"] == azure.SUBSCRIPTION


def test_a_stage_moves_into_the_group_that_bootstrap_made_and_out_again(made: Makes, bench: Bench) -> None:
    bootstrap = bench.twin(made("bootstrap").root)
    before = left(bootstrap)
    told = bootstrap.output("stages")["dev"]
    stage = bench.stage(
        "dev",
        cloud=bootstrap.cloud,
        resource_group_mode=told["resource_group_mode"],
        subscription_id=told["subscription_id"],
        ci_principal_id=told["ci_principal_id"],
    )
    stage.apply()
    assert changes(stage.plan()) == {}
    assert changes(bootstrap.plan()) == {}
    stage.destroy()
    assert left(bootstrap) == before


@pytest.mark.parametrize("name", STAGES)
def test_the_registry_that_the_service_attaches_is_no_change(bench: Bench, name: str) -> None:
    """In a stage without a registry of its own, or the whole workspace would be made anew after the first image build."""
    stage = bench.variant(stage=name, registry={"mode": "none"})
    stage.apply()
    (workspace,) = stage.cloud.of_type("azurerm_machine_learning_workspace")
    assert workspace.values["container_registry_id"] is None
    stage.cloud.attach_registry(workspace.id)
    assert changes(stage.plan()) == {}


def test_other_tags_replace_nothing(bench: Bench) -> None:
    """Neither an instance nor a datastore, which azurerm replaces for a tag."""
    options: dict[str, Any] = {
        "instances": {"someone-here": {"user_object_id": DATA_SCIENTISTS}},
        "datastores": {
            "raw": {"account": "data"},
            "lake": {"account": "lake", "type": "adls_gen2"},
        },
        "data_accounts": {"data": {}, "lake": {"hierarchical_namespace": True}},
    }
    stage = bench.variant(**options, tags={"team": "one"})
    stage.apply()
    main = stage.folder / "main.tf.json"
    main.write_text(main.read_text().replace('"team": "one"', '"team": "two"'))
    found = changes(stage.plan())
    assert set(found.values()) == {("update",)}
    assert "module.stage.module.workspace.azurerm_machine_learning_workspace.this" in found


@pytest.mark.parametrize("name", STAGES)
def test_what_someone_changed_in_the_portal_is_changed_back(made: Makes, bench: Bench, name: str) -> None:
    twin = bench.twin(made(name).root)
    (workspace,) = twin.cloud.of_type("azurerm_machine_learning_workspace")
    for account in twin.cloud.of_type("azurerm_storage_account"):
        twin.cloud.change(account.id, shared_access_key_enabled=True)
    twin.cloud.change(workspace.id, storage_account_access_type="AccessKey")
    assert set(changes(twin.plan()).values()) == {("update",)}
    twin.apply()
    assert changes(twin.plan()) == {}


def test_in_prod_what_cannot_be_made_again_is_not_deleted_by_accident(made: Makes) -> None:
    cloud = made("prod").root.cloud
    azures = Arm(cloud=cloud, subscription=azure.SUBSCRIPTION)
    kept = [item for kind in ("azurerm_storage_account", "azurerm_key_vault") for item in cloud.of_type(kind)]
    assert len(kept) == 3
    for item in kept:
        with pytest.raises(Refused, match="ScopeLocked"):
            azures.delete(item.type, item.values)


def test_names_fit_with_the_longest_project(bench: Bench) -> None:
    for name in STAGES:
        assert set(changes(bench.stage(name, project="abcdefghij").plan()).values()) == {("create",)}


def test_two_projects_and_two_stages_share_no_name_that_is_unique_in_azure(made: Makes, bench: Bench) -> None:
    kinds = ("azurerm_storage_account", "azurerm_key_vault", "azurerm_container_registry")
    other = bench.stage("dev", project="trains")
    other.apply()
    clouds = [made(name).root.cloud for name in ROOTS] + [other.cloud]
    names = [item.values["name"] for cloud in clouds for kind in kinds for item in cloud.of_type(kind)]
    assert len(names) == len(set(names))
