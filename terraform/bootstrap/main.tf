# What the stages' Terraform needs before it can run: where its state is, and who it is. Applied once, by an owner.

locals {
  patterns = {
    container = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.Storage/storageAccounts/[a-z0-9]{3,24}/blobServices/default/containers/[^/]+$"
    guid      = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    shared    = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.(KeyVault/vaults|ContainerRegistry/registries)/[^/]+$"
    stage     = "^(dev|qa|prod)(-[a-z0-9]{1,8})?$"
  }
  elsewhere = ["Log Analytics Contributor", "Network Contributor", "Private DNS Zone Contributor", "Reader"]

  # What the modules grant, as Azure numbers it: whoever deploys a stage can grant these and nothing else.
  roles = {
    "AcrPull"                                         = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    "AcrPush"                                         = "8311e382-0749-4cb8-b61a-304f252e45ec"
    "Azure AI Enterprise Network Connection Approver" = "b556d68e-0be0-4f35-a333-ad7ee1ce17ea"
    "AzureML Compute Operator"                        = "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815"
    "AzureML Data Scientist"                          = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
    "Container Registry Repository Reader"            = "b93aa761-3e63-49ed-ac28-beffa264f7ac"
    "Container Registry Repository Writer"            = "2a1e307c-b015-4ebd-883e-5b7698a07328"
    "Key Vault Crypto Service Encryption User"        = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
    "Key Vault Reader"                                = "21090545-7ca7-4776-b22c-e363652d74d2"
    "Key Vault Secrets Officer"                       = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
    "Key Vault Secrets User"                          = "4633458b-17de-408a-b874-0445c86b69e6"
    "Log Analytics Reader"                            = "73c42c96-874c-492b-b04d-ab87d138a893"
    "Monitoring Contributor"                          = "749f88d5-cbae-40b8-bcfc-e573ddc772fa"
    "Monitoring Metrics Publisher"                    = "3913510d-42f4-4e42-8a64-420c390055eb"
    "Monitoring Reader"                               = "43d0d8ad-25c7-4714-9337-8ba259a9fe05"
    "Reader"                                          = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
    "Storage Blob Data Contributor"                   = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    "Storage Blob Data Reader"                        = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
    "Storage File Data Privileged Contributor"        = "69566ab7-960f-475b-8e7c-b3118f30c6bd"
    "Storage File Data Privileged Reader"             = "b8eda974-7b85-4f76-af95-65846b26df6d"
    "Storage Queue Data Contributor"                  = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
    "Storage Table Data Contributor"                  = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
  }
  # These too, to identities alone: the workspace's needs them, and no person should have them by this way.
  identity_roles = {
    "Contributor"             = "b24988ac-6180-42a0-ab88-20f7382dd24c"
    "Key Vault Administrator" = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
  }

  role_id        = "[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals"
  principal_type = "[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase"
  granting = join(" AND ", [
    for action, source in { write = "@Request", delete = "@Resource" } : join("", [
      "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/${action}'}))",
      " OR (${source}${local.role_id} {${join(", ", values(local.roles))}})",
      " OR (${source}${local.role_id} {${join(", ", values(local.identity_roles))}}",
      " AND ${source}${local.principal_type} {'ServicePrincipal'}))",
    ])
  ])
  # On a container of others: who may read and write it, no more.
  granting_data = join(" AND ", [
    for action, source in { write = "@Request", delete = "@Resource" } : join("", [
      "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/${action}'}))",
      " OR (${source}${local.role_id} {${local.roles["Storage Blob Data Contributor"]}, ${local.roles["Storage Blob Data Reader"]}}))",
    ])
  ])

  # Unique in all of Azure, from what it is for and not from chance, as the names of the stages are.
  state_account = "st${replace(var.project, "-", "")}state${substr(sha256("${var.subscription_id}/${var.project}-state/${var.location}"), 0, 6)}"
  tags          = merge(var.tags, { managed-by = "terraform", project = var.project })

  # A stage in a subscription of its own is deployed with roles on that; one that shares this one, on its resource group.
  sharing = { for name, stage in var.stages : name => stage if stage.subscription_id == null }
  scopes  = { for name, stage in var.stages : name => stage.subscription_id == null ? azurerm_resource_group.stage[name].id : "/subscriptions/${stage.subscription_id}" }

  credentials = {
    for name, stage in var.stages : name => {
      for who in ["ci", "deployer"] : who => merge(
        { for repository in compact([var.repository]) : "github" => { issuer = "https://token.actions.githubusercontent.com", subject = "repo:${repository}:environment:${name}${who == "deployer" ? "-infrastructure" : ""}" } },
        stage.credentials[who],
      )
    }
  }
  deployers = { for name in keys(var.stages) : name => module.identities.identities["${name}-deployer"] }

  grants = merge([
    for name, stage in var.stages : merge(
      {
        "${name}/Contributor"       = { condition = null, role = "Contributor", scope = local.scopes[name], stage = name }
        "${name}/Locks Contributor" = { condition = null, role = "Locks Contributor", scope = local.scopes[name], stage = name }
        "${name}/granting"          = { condition = local.granting, role = "Role Based Access Control Administrator", scope = local.scopes[name], stage = name }
        "${name}/state"             = { condition = null, role = "Storage Blob Data Contributor", scope = module.state.containers["state-${name}"], stage = name }
      },
      # Every plan reads the account of a datastore, wherever it is.
      { for key, id in stage.containers : "${name}/${key}/Reader" => { condition = null, role = "Reader", scope = split("/blobServices/", id)[0], stage = name } },
      { for key, id in stage.containers : "${name}/${key}/granting" => { condition = local.granting_data, role = "Role Based Access Control Administrator", scope = id, stage = name } },
      { for key, id in stage.shared : "${name}/${key}/Reader" => { condition = null, role = "Reader", scope = id, stage = name } },
      { for key, id in stage.shared : "${name}/${key}/granting" => { condition = local.granting, role = "Role Based Access Control Administrator", scope = id, stage = name } },
      { for key, other in stage.grants : "${name}/${key}" => { condition = null, role = other.role, scope = other.scope, stage = name } },
    )
  ]...)
}

resource "azurerm_resource_group" "state" {
  name     = "rg-${var.project}-state"
  location = var.location
  tags     = local.tags
}

resource "azurerm_resource_group" "stage" {
  for_each = local.sharing

  name     = "rg-${var.project}-${each.key}"
  location = var.location
  tags     = merge(local.tags, { stage = each.key })
}

module "log_analytics" {
  source = "../modules/log-analytics"

  location            = var.location
  name                = "log-${var.project}-state"
  resource_group_name = azurerm_resource_group.state.name
  retention_days      = 90
  tags                = local.tags
}

# State holds keys of what it describes, whatever we do: whoever reads it could use them, so reads are written down.
module "state" {
  source = "../modules/storage"

  allowed_ips         = var.allowed_ips
  containers          = { for name in concat(["bootstrap"], keys(var.stages)) : "state-${name}" => {} }
  grants              = var.grants
  lifecycle_rules     = { versions = { versions_delete_after_days = 180 } }
  location            = var.location
  log_analytics_id    = module.log_analytics.id
  logged_operations   = ["Delete", "Read", "Write"]
  name                = local.state_account
  replication         = var.replication
  resource_group_name = azurerm_resource_group.state.name
  soft_delete_days    = 30
  tags                = local.tags
}

# Two identities a stage, both without a secret: one makes the stage, the other works in it.
module "identities" {
  source = "../modules/identities"

  identities = merge([
    for name in keys(var.stages) : {
      for who in ["ci", "deployer"] : "${name}-${who}" => {
        credentials = local.credentials[name][who]
        name        = "id-${var.project}-${name}-${who}"
      }
    }
  ]...)
  location            = var.location
  resource_group_name = azurerm_resource_group.state.name
  tags                = local.tags
}

resource "azurerm_role_assignment" "deployer" {
  for_each = local.grants

  scope                = each.value.scope
  principal_id         = local.deployers[each.value.stage].principal_id
  principal_type       = "ServicePrincipal"
  role_definition_name = each.value.role
  condition            = each.value.condition
  condition_version    = each.value.condition == null ? null : "2.0"
  description          = each.key
}

module "lock" {
  source = "../modules/lock"

  locks = {
    state = { name = "no-delete", notes = "Without its state Terraform knows nothing of what it has made.", scope = module.state.id }
  }

  # Below a lock nothing can be deleted: all that is there comes first, and goes when the lock has gone.
  depends_on = [azurerm_role_assignment.deployer, module.state]
}
