"""What our roots would make, judged setting by setting: who may what, what is open, what is encrypted, what is written down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from golden import FOLDER, summary
from roots import DATA_SCIENTISTS, READERS, ROOTS, STAGES, TREE, Made, Planned
from standin import azure
from standin.cloud import Item
from standin.facts import FACTS
from standin.schema import Block, load

Makes = Callable[[str], Made]

# Who may grant or take any role is an owner in all but name.
MIGHTY = ("Owner", "User Access Administrator")
GRANTING = "Role Based Access Control Administrator"


@pytest.mark.parametrize("name", ROOTS)
def test_the_plan_is_the_one_that_was_read_and_committed(made: Makes, name: str) -> None:
    """When this fails, read the difference; if it is meant: python tests/terraform/golden.py"""
    assert summary(made(name).plan) == (FOLDER / f"{name}.txt").read_text()


def granted(made: Made) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every grant: to whom (the name of an identity, or an object id), which role, and the assignment."""
    cloud = made.root.cloud
    names = {item.values["principal_id"]: item.values["name"] for item in cloud.of_type("azurerm_user_assigned_identity")}
    for item in cloud.of_type("azurerm_role_assignment"):
        yield names.get(item.values["principal_id"], item.values["principal_id"]), item.values["role_definition_name"], item.values


@pytest.mark.parametrize("name", ROOTS)
def test_nobody_is_an_owner_and_who_grants_roles_may_grant_only_those_named(made: Makes, name: str) -> None:
    for who, role, grant in granted(made(name)):
        assert role not in MIGHTY, who
        if role == GRANTING:
            assert "RoleDefinitionId" in grant["condition"], who


@pytest.mark.parametrize("name", ROOTS)
def test_every_grant_says_what_kind_of_principal_it_is_for(made: Makes, name: str) -> None:
    """Or azurerm looks the principal up in Entra, where one of a second ago is not found."""
    grants = [planned for planned in made(name).planned if planned.type == "azurerm_role_assignment"]
    assert grants
    assert {planned.values["principal_type"] for planned in grants} <= {"Group", "ServicePrincipal"}


@pytest.mark.parametrize("name", STAGES)
def test_jobs_may_write_their_outputs_read_their_data_and_pull_their_image(made: Makes, name: str) -> None:
    found = {(role, _place(grant["scope"])) for who, role, grant in granted(made(name)) if who.endswith("-jobs")}
    assert found == {
        ("AcrPull", "registries"),
        ("Storage Blob Data Contributor", "storageAccounts"),
        ("Storage Blob Data Reader", "containers"),
    }


@pytest.mark.parametrize("name", STAGES)
def test_only_the_workspaces_own_identity_is_a_contributor_and_nowhere_in_the_whole_group(made: Makes, name: str) -> None:
    found = [(who, _place(grant["scope"])) for who, role, grant in granted(made(name)) if role in ("Contributor", "Key Vault Administrator")]
    assert found
    assert {who for who, _ in found} == {f"id-flights-{name}-workspace"}
    assert "resourceGroups" not in {place for _, place in found}


@pytest.mark.parametrize(("name", "writes"), [("dev", True), ("qa", False), ("prod", False)])
def test_people_write_in_dev_and_read_elsewhere(made: Makes, name: str, writes: bool) -> None:
    roles = {(who, role) for who, role, _ in granted(made(name)) if who in (DATA_SCIENTISTS, READERS)}
    assert roles
    writing = {who for who, role in roles if not role.endswith("Reader")}
    assert writing == ({DATA_SCIENTISTS} if writes else set())


def test_who_deploys_a_stage_may_grant_whatever_the_stage_grants(made: Makes) -> None:
    """The condition in bootstrap names roles by number: those that stages use, and the same numbers in the table there."""
    table = dict(re.findall(r'^ +"([^"]+)" += "([0-9a-f-]{36})"$', (TREE / "bootstrap" / "main.tf").read_text(), re.MULTILINE))
    assert table
    used = {role for name in STAGES for _, role, _ in granted(made(name))}
    assert used <= set(table), sorted(used - set(table))
    conditions = [g["condition"] for who, role, g in granted(made("bootstrap")) if role == GRANTING and _place(g["scope"]) == "resourceGroups"]
    assert len(conditions) == len(STAGES)
    for condition in conditions:
        assert {role for role, number in table.items() if number in condition} == set(table)


def _place(scope: str) -> str:
    return (azure.kind_of(scope) or scope).rsplit("/", 1)[-1]


SECRET = re.compile(r"(^|_)(account_key|access_key|password|client_secret|shared_access_signature|sas|shared_key)($|_)")


def leaves(block: Block, values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name in block.attributes:
        yield f"{path}{name}", values.get(name)
    for name, nested in block.blocks.items():
        inner = values.get(name)
        for item in inner if isinstance(inner, list) else [inner]:
            if isinstance(item, Mapping):
                yield from leaves(nested.block, item, f"{path}{name}.")


@pytest.mark.parametrize("name", ROOTS)
def test_no_key_and_no_secret_is_given_to_anything(made: Makes, name: str) -> None:
    for planned in azurerm(made(name)):
        block, facts = load().resources[planned.type], FACTS[planned.type]
        for path, value in leaves(block, planned.values):
            if path in facts.sensitive or (SECRET.search(path) and not isinstance(value, bool)):
                assert value is None, f"{planned.address}: {path}"


@pytest.mark.parametrize("name", ROOTS)
def test_no_output_is_a_secret(made: Makes, name: str) -> None:
    """What was sensitive anywhere on its way is sensitive here, so nothing was."""
    outputs = made(name).again["planned_values"]["outputs"]
    assert outputs
    assert [output for output, said in outputs.items() if said["sensitive"]] == []


def azurerm(made: Made) -> list[Planned]:
    return [planned for planned in made.planned if planned.type.startswith("azurerm_")]


def of_type(made: Made, kind: str) -> list[Planned]:
    found = [planned for planned in made.planned if planned.type == f"azurerm_{kind}"]
    assert found, f"no {kind}"
    return found


@pytest.mark.parametrize("name", ROOTS)
def test_doors_that_take_a_key_or_nothing_at_all_are_shut(made: Makes, name: str) -> None:
    for account in of_type(made(name), "storage_account"):
        assert account.values["shared_access_key_enabled"] is False
        assert account.values["allow_nested_items_to_be_public"] is False
        assert account.values["local_user_enabled"] is False
        assert account.values["cross_tenant_replication_enabled"] is False
    for container in of_type(made(name), "storage_container"):
        assert container.values["container_access_type"] == "private"
    if name == "bootstrap":
        return
    for registry in of_type(made(name), "container_registry"):
        assert registry.values["admin_enabled"] is False
        assert registry.values["anonymous_pull_enabled"] is False
    for cluster in of_type(made(name), "machine_learning_compute_cluster"):
        assert cluster.values["local_auth_enabled"] is False
        assert cluster.values["ssh_public_access_enabled"] is not True
        assert cluster.values["ssh"] == []
    for vault in of_type(made(name), "key_vault"):
        assert vault.values["rbac_authorization_enabled"] is True
    for workspace in of_type(made(name), "machine_learning_workspace"):
        assert workspace.values["storage_account_access_type"] == "Identity"


def test_prod_is_not_reached_from_the_internet(made: Makes) -> None:
    prod = made("prod")
    for kind in ("storage_account", "key_vault", "container_registry", "machine_learning_workspace"):
        for planned in of_type(prod, kind):
            assert planned.values["public_network_access_enabled"] is False, planned.address
    for planned in of_type(prod, "storage_account"):
        assert planned.values["network_rules"][0]["default_action"] == "Deny"
    for planned in of_type(prod, "key_vault"):
        assert planned.values["network_acls"][0]["default_action"] == "Deny"
    for planned in of_type(prod, "machine_learning_compute_cluster"):
        assert planned.values["node_public_ip_enabled"] is False
    for planned in of_type(prod, "machine_learning_workspace"):
        assert planned.values["managed_network"][0]["isolation_mode"] != "Disabled"


def test_in_prod_each_service_is_reached_by_a_private_endpoint_with_a_name(made: Makes) -> None:
    cloud = made("prod").root.cloud
    reached: dict[str, set[str]] = {}
    for endpoint in cloud.of_type("azurerm_private_endpoint"):
        (connection,) = endpoint.values["private_service_connection"]
        (zones,) = endpoint.values["private_dns_zone_group"]
        assert zones["private_dns_zone_ids"]
        reached.setdefault(connection["private_connection_resource_id"].lower(), set()).update(connection["subresource_names"])
    closed = [item for kind in CLOSED for item in cloud.of_type(kind)]
    assert len(closed) >= len(CLOSED)
    for item in closed:
        assert reached.get(item.id.lower(), set()) >= {CLOSED[item.type]}, item.id


CLOSED = {
    "azurerm_storage_account": "blob",
    "azurerm_key_vault": "vault",
    "azurerm_container_registry": "registry",
    "azurerm_machine_learning_workspace": "amlworkspace",
}


@pytest.mark.parametrize("name", ROOTS)
def test_what_is_stored_is_encrypted_on_its_way_and_can_be_brought_back(made: Makes, name: str) -> None:
    for account in of_type(made(name), "storage_account"):
        assert account.values["https_traffic_only_enabled"] is True
        assert account.values["min_tls_version"] in ("TLS1_2", "TLS1_3")
        (blob,) = account.values["blob_properties"]
        assert blob["versioning_enabled"] is True
        assert blob["delete_retention_policy"][0]["days"] >= 7
        assert blob["container_delete_retention_policy"][0]["days"] >= 7
    if name != "bootstrap":
        for vault in of_type(made(name), "key_vault"):
            assert vault.values["purge_protection_enabled"] is True


LOGGED = (
    "azurerm_container_registry",
    "azurerm_key_vault",
    "azurerm_log_analytics_workspace",
    "azurerm_machine_learning_workspace",
    "azurerm_storage_account",
)


@pytest.mark.parametrize("name", ROOTS)
def test_what_happens_is_written_down(made: Makes, name: str) -> None:
    """Workspace, vault, registry and Log Analytics by themselves; of storage the account its metrics, its services their logs."""
    cloud = made(name).root.cloud
    settings = cloud.of_type("azurerm_monitor_diagnostic_setting")
    logs = {setting.values["target_resource_id"].lower() for setting in settings if setting.values["enabled_log"]}
    metrics = {setting.values["target_resource_id"].lower() for setting in settings if setting.values["enabled_metric"]}
    (sink,) = cloud.of_type("azurerm_log_analytics_workspace")
    assert {setting.values["log_analytics_workspace_id"] for setting in settings} == {sink.id}
    watched = [item for kind in LOGGED for item in cloud.of_type(kind)]
    assert {item.type for item in watched} >= set(LOGGED if name != "bootstrap" else LOGGED[2:3] + LOGGED[4:])
    for item in watched:
        assert item.id.lower() in metrics, item.id
        assert _logging(item) <= logs, item.id


def _logging(item: Item) -> set[str]:
    services = ("blobServices", "fileServices") if item.type == "azurerm_storage_account" else ()
    return {f"{item.id}/{service}/default".lower() for service in services} or {item.id.lower()}


@pytest.mark.parametrize("name", ROOTS)
def test_everything_that_can_have_tags_has_them(made: Makes, name: str) -> None:
    tagged = [planned for planned in azurerm(made(name)) if "tags" in load().resources[planned.type].attributes]
    assert tagged
    for planned in tagged:
        tags = planned.values["tags"] or {}
        assert tags.get("managed-by") == "terraform", planned.address
        assert tags.get("project") == "flights", planned.address
        if name != "bootstrap":
            assert tags.get("stage") == name, planned.address


@pytest.mark.parametrize("name", STAGES)
def test_what_nobody_uses_costs_nothing_and_what_is_spent_is_told(made: Makes, name: str) -> None:
    for cluster in of_type(made(name), "machine_learning_compute_cluster"):
        (scale,) = cluster.values["scale_settings"]
        assert scale["min_node_count"] == 0
    cloud = made(name).root.cloud
    (group,) = cloud.of_type("azurerm_monitor_action_group")
    (budget,) = cloud.of_type("azurerm_consumption_budget_resource_group")
    assert all(group.id in notification["contact_groups"] for notification in budget.values["notification"])
    alerts = cloud.of_type("azurerm_monitor_metric_alert")
    assert {alert.values["name"] for alert in alerts} >= {"failed-runs", "quota"}
    assert all(action["action_group_id"] == group.id for alert in alerts for action in alert.values["action"])


@pytest.mark.parametrize("name", STAGES)
def test_a_workspace_works_as_one_identity_and_its_jobs_as_another(made: Makes, name: str) -> None:
    cloud = made(name).root.cloud
    (workspace,) = cloud.of_type("azurerm_machine_learning_workspace")
    (cluster,) = cloud.of_type("azurerm_machine_learning_compute_cluster")
    (own,), (jobs,) = workspace.values["identity"], cluster.values["identity"]
    assert own["type"] == jobs["type"] == "UserAssigned"
    assert workspace.values["primary_user_assigned_identity"] in own["identity_ids"]
    assert not set(own["identity_ids"]) & set(jobs["identity_ids"])


@pytest.mark.parametrize("name", STAGES)
def test_every_cluster_that_a_stage_has_is_called_alike_in_all(made: Makes, name: str) -> None:
    names = {item.values["name"] for item in made(name).root.cloud.of_type("azurerm_machine_learning_compute_cluster")}
    assert "cpu" in names
    assert names <= {item.values["name"] for item in made("dev").root.cloud.of_type("azurerm_machine_learning_compute_cluster")}
