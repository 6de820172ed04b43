"""Facts about groups, vaults, identities, registries, roles, locks and policies.

Sources: azurerm's resource, keyvault, managedidentity, containers and authorization services, 5.x; Azure's naming rules;
for role assignments Azure's own refusals (RoleAssignmentExists, a malformed principal).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from standin import azure
from standin.facts.model import (
    IDENTITY,
    IDENTITY_CHOICES,
    IDENTITY_IDS,
    PLACE,
    URL,
    UUID,
    Facts,
    Values,
    World,
    blocks,
    identity_rule,
    known,
)
from standin.facts.storage import secret


def _premium(values: Values, prior: Values | None) -> Iterator[str]:
    """What azurerm's CustomizeDiff refuses below Premium."""
    sku = values.get("sku")
    if not known(sku) or sku == "Premium":
        return
    if values.get("georeplications"):
        yield "ACR geo-replication can only be applied when using the Premium Sku."
    if values.get("quarantine_policy_enabled") is True:
        yield "ACR quarantine policy can only be applied when using the Premium Sku"
    if known(values.get("retention_policy_in_days")) and values["retention_policy_in_days"] > 0:
        yield "ACR retention policy can only be applied when using the Premium Sku"
    if values.get("export_policy_enabled") is False:
        yield "ACR export policy can only be disabled when using the Premium Sku"
    if values.get("encryption"):
        yield "ACR encryption can only be applied when using the Premium Sku."
    if values.get("zone_redundancy_enabled") is True:
        yield "ACR zone redundancy can only be applied when using the Premium Sku"
    if values.get("anonymous_pull_enabled") is True and sku != "Standard":
        yield "`anonymous_pull_enabled` can only be applied when using the Standard/Premium Sku"
    if values.get("data_endpoint_enabled") is True:
        yield "`data_endpoint_enabled` can only be applied when using the Premium Sku"


def _registry_plan(values: Values, prior: Values | None) -> Iterator[str]:
    yield from _premium(values, prior)
    if values.get("export_policy_enabled") is False and values.get("public_network_access_enabled") is True:
        yield "To disable export of artifacts, `public_network_access_enabled` must also be `false`"
    if values.get("location") in {copy.get("location") for copy in blocks(values, "georeplications")} - {None}:
        yield "The `georeplications` list cannot contain the location where the Container Registry exists."


def _registry_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    if values.get("public_network_access_enabled") is False and values["sku"] != "Premium":
        yield "`public_network_access_enabled` can only be disabled for a Premium Sku."
    if known(values.get("network_rule_set")) and values["network_rule_set"] and values["sku"] != "Premium":
        yield "`network_rule_set_set` can only be specified for a Premium Sku."


def _vault_plan(values: Values, prior: Values | None) -> Iterator[str]:
    if prior is None:
        return
    if prior.get("purge_protection_enabled") is True and values.get("purge_protection_enabled") is not True:
        yield "updating Key Vault: once Purge Protection has been Enabled it's not possible to disable it"
    if values.get("soft_delete_retention_days") != prior.get("soft_delete_retention_days"):
        yield "updating Key Vault: once `soft_delete_retention_days` has been configured it cannot be modified"


def _key_id(it: Values) -> str:
    vault = it["key_vault_id"].rsplit("/", 1)[1]
    return f"https://{vault}.vault.azure.net/keys/{it['name']}/{azure.made_up(it['key_vault_id'], it['name']).replace('-', '')}"


def _role_plan(values: Values, prior: Values | None) -> Iterator[str]:
    condition, version = values.get("condition"), values.get("condition_version")
    if condition is not None and version is None:
        yield "`condition_version` must be set when `condition` is set"


def _role_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    if prior is not None:
        return
    role, principal = values.get("role_definition_name"), values["principal_id"]
    if not azure.is_uuid(principal):
        yield f"the principal ID {principal!r} is not valid. Principal ID must be a GUID."
    custom = {other["name"] for other in world.all("azurerm_role_definition")}
    if known(role) and role not in azure.ROLES and role not in custom:
        yield f"loading Role Definition List: could not find role '{role}'"
    if not values["scope"].startswith("/"):
        yield f"the scope {values['scope']!r} is not an id"
    identifier = _assignment(values, world)
    if world.find(identifier):
        yield (
            f"RoleAssignmentExists: the role assignment already exists ({role or values.get('role_definition_id')} for"
            f" {principal} at {values['scope']})"
        )


def _assignment(values: Values, world: World) -> str:
    return f"{values['scope']}/providers/Microsoft.Authorization/roleAssignments/{_assignment_name(values)}"


def _assignment_name(values: Values) -> str:
    """The same grant has the same name: Azure refuses a second one, whatever it is called."""
    given = values.get("name")
    role = values.get("role_definition_name")
    by_id = values.get("role_definition_id")
    which = azure.role_id(role) if isinstance(role, str) else str(by_id).rsplit("/", 1)[-1]
    return given if isinstance(given, str) else azure.made_up(values["scope"], values["principal_id"], which)


def _definition_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    if values["name"] in azure.ROLES:
        yield f"RoleDefinitionWithSameNameExists: {values['name']!r} is a built-in role"


_ROLE_SCOPE = "{scope}/providers/Microsoft.Authorization"

FACTS: Mapping[str, Facts] = {
    "azurerm_resource_group": Facts(
        id="/subscriptions/{subscription}/resourceGroups/{name}",
        force_new=("name", "location"),
        patterns={
            "name": (r"[-\w._()]{0,89}[-\w_()]", "must be up to 90 letters, digits and -._(), with no full stop last")
        },
    ),
    "azurerm_resource_provider_registration": Facts(
        id="/subscriptions/{subscription}/providers/{name}",
        force_new=("name",),
        patterns={"name": (r"[A-Za-z]+(\.[A-Za-z]+)+", "must be a resource provider's name, such as Microsoft.Storage")},
    ),
    "azurerm_key_vault": Facts(
        id="{group}/providers/Microsoft.KeyVault/vaults/{name}",
        unique=True,
        force_new=PLACE,
        defaults={"public_network_access_enabled": True, "soft_delete_retention_days": 90},
        computed={"vault_uri": "https://{name}.vault.azure.net/", "access_policy": lambda it: []},
        computed_blocks={
            "network_acls": lambda it: [
                {"bypass": "AzureServices", "default_action": "Allow", "ip_rules": [], "virtual_network_subnet_ids": []}
            ]
        },
        choices={
            "sku_name": ("premium", "standard"),
            "network_acls.default_action": ("Allow", "Deny"),
            "network_acls.bypass": ("AzureServices", "None"),
        },
        ranges={"soft_delete_retention_days": (7, 90)},
        patterns={
            "name": (
                r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
                "must be 3 to 24 letters, digits and single hyphens, a letter first and no hyphen last",
            ),
            "tenant_id": UUID,
        },
        ids={"network_acls.virtual_network_subnet_ids": "Microsoft.Network/virtualNetworks/subnets"},
        plan_rules=(_vault_plan,),
    ),
    "azurerm_key_vault_key": Facts(
        id=_key_id,
        force_new=("name", "key_vault_id", "key_type", "key_size", "curve"),
        computed={
            "version": lambda it: it["id"].rsplit("/", 1)[1],
            "versionless_id": lambda it: it["id"].rsplit("/", 1)[0],
            "resource_id": lambda it: f"{it['key_vault_id']}/keys/{it['name']}/versions/{it['id'].rsplit('/', 1)[1]}",
            "resource_versionless_id": "{key_vault_id}/keys/{name}",
        },
        choices={"key_type": ("EC", "EC-HSM", "RSA", "RSA-HSM")},
        ids={"key_vault_id": "Microsoft.KeyVault/vaults"},
    ),
    "azurerm_user_assigned_identity": Facts(
        id="{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
        force_new=PLACE,
        computed={"principal_id": "{uuid}", "client_id": "{uuid}", "tenant_id": azure.TENANT},
        patterns={"name": (r"[a-zA-Z0-9][\w-]{2,127}", "must be 3 to 128 letters, digits, hyphens and underscores")},
    ),
    "azurerm_federated_identity_credential": Facts(
        id="{user_assigned_identity_id}/federatedIdentityCredentials/{name}",
        force_new=("name", "user_assigned_identity_id"),
        patterns={
            "name": (r"[a-zA-Z0-9][\w-]{2,119}", "must be 3 to 120 letters, digits, hyphens and underscores"),
            "issuer": URL,
        },
        ids={"user_assigned_identity_id": "Microsoft.ManagedIdentity/userAssignedIdentities"},
    ),
    "azurerm_container_registry": Facts(
        id="{group}/providers/Microsoft.ContainerRegistry/registries/{name}",
        unique=True,
        force_new=(*PLACE, "zone_redundancy_enabled"),
        defaults={
            "admin_enabled": False,
            "azuread_authentication_as_arm_policy_enabled": True,
            "export_policy_enabled": True,
            "network_rule_bypass_option": "AzureServices",
            "public_network_access_enabled": True,
            "zone_redundancy_enabled": False,
            "georeplications.zone_redundancy_enabled": False,
        },
        computed={
            **IDENTITY,
            "login_server": "{name}.azurecr.io",
            "admin_username": lambda it: it["name"] if it.get("admin_enabled") else "",
            "admin_password": lambda it: secret(it) if it.get("admin_enabled") else "",
            "data_endpoint_host_names": lambda it: (
                [f"{it['name']}.{it['location']}.data.azurecr.io"] if it.get("data_endpoint_enabled") else []
            ),
            "network_rule_set": lambda it: [],
        },
        sensitive=frozenset({"admin_password"}),
        choices={
            **IDENTITY_CHOICES,
            "sku": ("Basic", "Standard", "Premium"),
            "network_rule_bypass_option": ("AzureServices", "None"),
            "role_assignment_mode": ("AbacRepositoryPermissions", "LegacyRegistryPermissions"),
        },
        ranges={"retention_policy_in_days": (0, 365)},
        patterns={"name": (r"[a-zA-Z0-9]{5,50}", "must be 5 to 50 letters and digits")},
        ids=IDENTITY_IDS,
        plan_rules=(identity_rule, _registry_plan),
        apply_rules=(_registry_apply,),
    ),
    "azurerm_role_assignment": Facts(
        id=lambda it: f"{it['scope']}/providers/Microsoft.Authorization/roleAssignments/{_assignment_name(it)}",
        force_new=(
            "name",
            "scope",
            "role_definition_id",
            "role_definition_name",
            "principal_id",
            "principal_type",
            "delegated_managed_identity_resource_id",
        ),
        computed={
            "name": _assignment_name,
            "principal_type": "ServicePrincipal",
            "condition_version": lambda it: "",
            "skip_service_principal_aad_check": lambda it: None,
            "role_definition_id": lambda it: (
                f"/subscriptions/{azure.subscription_of(it['scope']) or it['subscription']}/providers/"
                f"Microsoft.Authorization/roleDefinitions/{azure.role_id(it['role_definition_name'])}"
            ),
            "role_definition_name": lambda it: azure.role_name(it["role_definition_id"]),
        },
        choices={"principal_type": ("User", "Group", "ServicePrincipal"), "condition_version": ("1.0", "2.0", "")},
        exactly_one=(("role_definition_id", "role_definition_name"),),
        plan_rules=(_role_plan,),
        apply_rules=(_role_apply,),
    ),
    "azurerm_role_definition": Facts(
        id=f"{_ROLE_SCOPE}/roleDefinitions/{{uuid}}|{{scope}}",
        force_new=("role_definition_id", "scope"),
        computed={
            "role_definition_id": lambda it: it["id"].split("|")[0].rsplit("/", 1)[1],
            "role_definition_resource_id": lambda it: it["id"].split("|")[0],
            "assignable_scopes": lambda it: [it["scope"]],
        },
        apply_rules=(_definition_apply,),
    ),
    "azurerm_management_lock": Facts(
        id=f"{_ROLE_SCOPE}/locks/{{name}}",
        force_new=("name", "scope", "lock_level", "notes"),
        choices={"lock_level": ("CanNotDelete", "ReadOnly")},
        patterns={
            "name": (r"[A-Za-z0-9-_]{1,260}", "must be letters, digits, hyphens and underscores"),
            "notes": (r"(?s).{0,512}", "must be at most 512 characters"),
        },
    ),
    "azurerm_resource_group_policy_assignment": Facts(
        id="{resource_group_id}/providers/Microsoft.Authorization/policyAssignments/{name}",
        force_new=("name", "resource_group_id", "policy_definition_id"),
        defaults={"enforce": True},
        computed=IDENTITY,
        ids={"resource_group_id": "resourceGroups"},
    ),
}
