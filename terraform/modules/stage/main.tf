# A stage: one Azure ML workspace and all that it needs, put together from the other modules.

locals {
  kind     = split("-", var.stage)[0]
  isolated = var.networking.isolation_mode != "Disabled"
  private  = var.networking.mode == "private"
  names    = module.names.names
  tags     = merge(var.tags, { managed-by = "terraform", project = var.project, stage = var.stage })

  patterns = {
    container = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.Storage/storageAccounts/[a-z0-9]{3,24}/(blobServices/default/containers|fileServices/default/(file)?shares)/[^/]+$"
    guid      = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
    key       = "^https://[a-zA-Z0-9.-]+/keys/[a-zA-Z0-9-]+/[0-9a-f]{32}$"
    tag       = "^[^<>%&\\\\?/]{1,128}$"
    vault     = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.KeyVault/vaults/[^/]+$"
  }

  lock_kinds = ["data_accounts", "key_vault", "registry", "storage", "workspace"]
  roles      = ["Contributor", "Log Analytics Reader", "Monitoring Reader", "Reader"]

  resource_group = merge(
    {
      shared = {
        id   = "/subscriptions/${var.subscription_id}/resourceGroups/${local.names.resource_group}"
        name = local.names.resource_group
      }
    },
    { for mode, group in azurerm_resource_group.this : mode => { id = group.id, name = group.name } },
  )[var.resource_group_mode]

  # Containers that are made here, by account; a datastore without a storage_id is one of them.
  own_datastores = { for name, datastore in var.datastores : name => datastore if datastore.storage_id == null }
  container_names = {
    for name, datastore in local.own_datastores : name => coalesce(datastore.container, replace(lower(name), "_", "-"))
  }
  storage_ids = {
    for name, datastore in var.datastores : name => datastore.storage_id == null ? module.data[datastore.account].containers[local.container_names[name]] : datastore.storage_id
  }

  # One key of yours encrypts the accounts and the registry too.
  registry_key = one([
    for key in values(local.encryption) : {
      identity_client_id = module.identities.identities.workspace.client_id
      identity_id        = module.identities.identities.workspace.id
      key_id             = key.key_id
    }
  ])
  storage_key = one([
    for key in values(local.encryption) : { identity_id = module.identities.identities.workspace.id, key_id = key.key_id }
  ])

  encryption   = { for key in [var.customer_managed_key] : "this" => key if key != null }
  own_registry = setintersection([var.registry.mode], ["own"])
  own_vault    = setintersection([var.key_vault.mode], ["own"])

  # What gets a private address, where the stage is private.
  data_endpoints = merge(
    { for key, account in var.data_accounts : "${key}-blob" => { resource_id = module.data[key].id, subresource = "blob" } },
    { for key, account in var.data_accounts : "${key}-dfs" => { resource_id = module.data[key].id, subresource = "dfs" } if account.hierarchical_namespace },
  )
  endpoints = merge(
    local.data_endpoints,
    {
      blob      = { resource_id = module.storage.id, subresource = "blob" }
      file      = { resource_id = module.storage.id, subresource = "file" }
      workspace = { resource_id = module.workspace.id, subresource = "amlworkspace" }
    },
    { for mode in local.own_registry : "registry" => { resource_id = module.registry.id, subresource = "registry" } },
    { for mode in local.own_vault : "vault" => { resource_id = module.key_vault.id, subresource = "vault" } },
    { for part in ["queue", "table"] : part => { resource_id = module.storage.id, subresource = part } if var.jobs.run_parallel },
  )
  zones = [
    "privatelink.api.azureml.ms", "privatelink.azurecr.io", "privatelink.blob.core.windows.net",
    "privatelink.dfs.core.windows.net", "privatelink.file.core.windows.net", "privatelink.notebooks.azure.net",
    "privatelink.queue.core.windows.net", "privatelink.table.core.windows.net", "privatelink.vaultcore.azure.net",
  ]
  # The workspace reaches its own storage, vault and registry by itself; the accounts for data it has to be told of.
  reached = { for name, endpoint in local.data_endpoints : name => merge(endpoint, { spark = false }) if local.private }
  # What a lock can be on. Azure ML's own registry is Azure ML's.
  lockable = merge(
    { storage = module.storage.id, workspace = module.workspace.id },
    { for key, account in var.data_accounts : "data_accounts/${key}" => module.data[key].id },
    { for mode in local.own_registry : "registry" => module.registry.id },
    { for mode in local.own_vault : "key_vault" => module.key_vault.id },
  )
  locks = merge([
    for name, lock in var.locks : {
      for key, id in local.lockable : "${name}/${key}" => { name = name, notes = lock.notes, scope = id } if contains(lock.on, split("/", key)[0])
    }
  ]...)
  networks  = { for mode in [var.networking.network] : mode => var.networking if local.private && mode == "own" }
  subnet_id = local.private ? merge({ shared = var.networking.subnet_id }, { for mode, network in module.network : mode => network.subnet_ids["endpoints"] })[var.networking.network] : null
  dns_zone_ids = merge(
    { shared = var.networking.dns_zone_ids },
    { for mode, network in module.network : mode => network.dns_zone_ids },
  )
}

module "names" {
  source = "../names"

  data_accounts   = keys(var.data_accounts)
  location        = var.location
  overrides       = var.names
  project         = var.project
  stage           = var.stage
  subscription_id = var.subscription_id
}

resource "azurerm_resource_group" "this" {
  for_each = setintersection([var.resource_group_mode], ["own"])

  name     = local.names.resource_group
  location = var.location
  tags     = local.tags
}

resource "azurerm_role_assignment" "this" {
  for_each = merge(module.roles.grants.resource_group, var.grants)

  scope                = local.resource_group.id
  principal_id         = each.value.principal_id
  principal_type       = each.value.principal_type
  role_definition_name = each.value.role
  description          = each.key
}

module "identities" {
  source = "../identities"

  identities = {
    jobs      = { name = local.names.identity_jobs }
    workspace = { name = local.names.identity_workspace }
  }
  location            = var.location
  resource_group_name = local.resource_group.name
  tags                = local.tags
}

# The workspace's identity opens what a key of yours has encrypted: the account, the registry and the workspace itself.
resource "azurerm_role_assignment" "encryption" {
  for_each = local.encryption

  scope                = each.value.key_vault_id
  principal_id         = module.identities.identities.workspace.principal_id
  principal_type       = "ServicePrincipal"
  role_definition_name = "Key Vault Crypto Service Encryption User"
  description          = "encryption"
}

module "roles" {
  source = "../roles"

  data_scientists_may  = var.data_scientists_may
  datastores           = { for name, datastore in var.datastores : name => datastore.access if datastore.type != "file_share" }
  identities           = { for name, identity in module.identities.identities : name => identity.principal_id }
  jobs                 = var.jobs
  managed_network      = local.isolated
  people               = var.people
  role_assignment_mode = var.registry.role_assignment_mode
}

module "log_analytics" {
  source = "../log-analytics"

  daily_quota_gb      = var.log_analytics.daily_quota_gb
  location            = var.location
  mode                = var.log_analytics.mode
  name                = local.names.log_analytics
  resource_group_name = local.resource_group.name
  retention_days      = var.log_analytics.retention_days
  shared_id           = var.log_analytics.shared_id
  tags                = local.tags
}

module "application_insights" {
  source = "../application-insights"

  daily_cap_gb         = var.application_insights.daily_cap_gb
  grants               = module.roles.grants.application_insights
  local_authentication = var.application_insights.local_authentication
  location             = var.location
  log_analytics_id     = module.log_analytics.id
  name                 = local.names.application_insights
  resource_group_name  = local.resource_group.name
  retention_days       = var.application_insights.retention_days
  sampling_percentage  = var.application_insights.sampling_percentage
  tags                 = local.tags
}

module "storage" {
  source = "../storage"

  allowed_ips           = local.private ? [] : var.networking.allowed_ips
  customer_managed_key  = local.storage_key
  grants                = module.roles.grants.storage
  lifecycle_rules       = var.storage.lifecycle_rules
  location              = var.location
  log_analytics_id      = module.log_analytics.id
  logged_operations     = var.storage.logged_operations
  name                  = local.names.storage_account
  public_network_access = !local.private
  replication           = var.storage.replication
  resource_group_name   = local.resource_group.name
  soft_delete_days      = var.storage.soft_delete_days
  tags                  = local.tags

  depends_on = [azurerm_role_assignment.encryption]
}

module "data" {
  source   = "../storage"
  for_each = var.data_accounts

  allowed_ips            = local.private ? [] : var.networking.allowed_ips
  containers             = { for name, datastore in local.own_datastores : local.container_names[name] => {} if datastore.account == each.key }
  customer_managed_key   = local.storage_key
  grants                 = module.roles.grants.data_accounts
  hierarchical_namespace = each.value.hierarchical_namespace
  lifecycle_rules        = each.value.lifecycle_rules
  location               = var.location
  log_analytics_id       = module.log_analytics.id
  logged_operations      = each.value.logged_operations
  name                   = module.names.data_accounts[each.key]
  public_network_access  = !local.private
  replication            = each.value.replication
  resource_group_name    = local.resource_group.name
  soft_delete_days       = each.value.soft_delete_days
  tags                   = local.tags
  versioning             = !each.value.hierarchical_namespace

  depends_on = [azurerm_role_assignment.encryption]
}

module "key_vault" {
  source = "../key-vault"

  allowed_ips           = local.private ? [] : var.networking.allowed_ips
  grants                = module.roles.grants.key_vault
  location              = var.location
  log_analytics_id      = module.log_analytics.id
  mode                  = var.key_vault.mode
  name                  = local.names.key_vault
  public_network_access = !local.private
  purge_protection      = var.key_vault.purge_protection
  resource_group_name   = local.resource_group.name
  retention_days        = var.key_vault.retention_days
  shared_id             = var.key_vault.shared_id
  sku                   = var.key_vault.sku
  tags                  = local.tags
  tenant_id             = var.tenant_id
}

module "registry" {
  source = "../registry"

  grants                = { for name, grant in module.roles.grants.registry : name => grant if var.registry.mode != "none" }
  location              = var.location
  log_analytics_id      = module.log_analytics.id
  mode                  = var.registry.mode
  name                  = local.names.registry
  premium               = merge(var.registry.premium, { customer_managed_key = local.registry_key })
  public_network_access = !local.private
  resource_group_name   = local.resource_group.name
  role_assignment_mode  = var.registry.role_assignment_mode
  shared_id             = var.registry.shared_id
  sku                   = var.registry.sku
  tags                  = local.tags

  depends_on = [azurerm_role_assignment.encryption]
}

module "network" {
  source   = "../network"
  for_each = local.networks

  address_space       = each.value.address_space
  dns_zones           = local.zones
  linked_networks     = each.value.linked_networks
  location            = var.location
  name                = local.names.network
  resource_group_name = local.resource_group.name
  subnets             = { endpoints = { cidr = each.value.endpoints_cidr } }
  tags                = local.tags
}

module "workspace" {
  source = "../workspace"

  application_insights_id = module.application_insights.id
  container_registry_id   = module.registry.id
  customer_managed_key    = var.customer_managed_key
  description             = "${var.project}: ${var.stage}"
  grants                  = module.roles.grants.workspace
  high_business_impact    = var.high_business_impact
  identity_id             = module.identities.identities.workspace.id
  image_build_compute     = var.image_build_compute
  key_vault_id            = module.key_vault.id
  location                = var.location
  log_analytics_id        = module.log_analytics.id
  managed_network = {
    fqdns             = var.networking.outbound_rules.fqdns
    isolation_mode    = var.networking.isolation_mode
    private_endpoints = merge(local.reached, var.networking.outbound_rules.private_endpoints)
    service_tags      = var.networking.outbound_rules.service_tags
  }
  name                  = local.names.workspace
  public_network_access = !local.private
  resource_group_name   = local.resource_group.name
  serverless_compute    = var.serverless_compute
  storage_account_id    = module.storage.id
  tags                  = local.tags

  depends_on = [azurerm_role_assignment.encryption]
}

module "private_endpoint" {
  source   = "../private-endpoint"
  for_each = { for name, endpoint in local.endpoints : name => endpoint if local.private }

  dns_zone_ids        = local.dns_zone_ids[var.networking.network]
  location            = var.location
  name                = "pep-${var.project}-${var.stage}-${each.key}"
  resource_group_name = local.resource_group.name
  resource_id         = each.value.resource_id
  subnet_id           = local.subnet_id
  subresource         = each.value.subresource
  tags                = local.tags
}

module "compute" {
  source = "../compute"

  clusters        = var.clusters
  identity_id     = module.identities.identities.jobs.id
  instances       = var.instances
  kubernetes      = var.kubernetes
  location        = var.location
  managed_network = local.isolated
  public_ips      = !local.isolated && !local.private
  tags            = local.tags
  tenant_id       = var.tenant_id
  workspace_id    = module.workspace.id
}

module "datastore" {
  source   = "../datastore"
  for_each = var.datastores

  account_key  = lookup(var.datastore_keys, each.key, null)
  description  = each.value.description
  grants       = lookup(module.roles.datastores, each.key, {})
  name         = each.key
  storage_id   = local.storage_ids[each.key]
  tags         = local.tags
  type         = each.value.type
  workspace_id = module.workspace.id
}

module "alerts" {
  source = "../alerts"

  action_group = {
    emails     = var.alert_emails
    name       = local.names.action_group
    short_name = substr("${local.kind}-${var.project}", 0, 12)
  }
  budgets             = var.budgets
  metric_alerts       = var.metric_alerts
  resource_group_id   = local.resource_group.id
  resource_group_name = local.resource_group.name
  tags                = local.tags
  workspace_id        = module.workspace.id
}

module "lock" {
  source = "../lock"

  locks = local.locks

  # Below a lock nothing can be deleted: all that is there comes first, and goes when the lock has gone.
  depends_on = [
    module.compute, module.data, module.datastore, module.key_vault, module.private_endpoint, module.registry,
    module.storage, module.workspace,
  ]
}
