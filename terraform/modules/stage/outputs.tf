output "aml" {
  description = "The contract with mlops_lib: names and ids of what the stage has, nothing secret. Keys are only ever added; what reads it looks at schema_version first."
  value = {
    schema_version  = 1
    project         = var.project
    stage           = var.stage
    subscription_id = var.subscription_id
    tenant_id       = var.tenant_id
    location        = var.location
    resource_group  = local.resource_group.name

    workspace = {
      discovery_url = module.workspace.discovery_url
      id            = module.workspace.id
      location      = module.workspace.location
      name          = module.workspace.name
      workspace_id  = module.workspace.workspace_id
    }
    identities    = module.identities.identities
    computes      = module.compute.computes
    kubernetes    = module.compute.kubernetes
    datastores    = { for name, datastore in module.datastore : name => merge(datastore.datastore, { access = var.datastores[name].access }) }
    app_insights  = { id = module.application_insights.id }
    log_analytics = { id = module.log_analytics.id }
    storage       = { endpoint = module.storage.endpoint, id = module.storage.id, name = module.storage.name }
    vault         = { id = module.key_vault.id, name = module.key_vault.name, uri = module.key_vault.uri }
    registry = one([
      for mode in setsubtract([var.registry.mode], ["none"]) : {
        id           = module.registry.id
        login_server = module.registry.login_server
        name         = module.registry.name
      }
    ])
    endpoints = { batch = local.names.batch_endpoint, online = local.names.online_endpoint }
    networking = {
      isolation_mode        = module.workspace.isolation_mode
      mode                  = var.networking.mode
      public_network_access = !local.private
    }
  }

  # Who reads it may start at once.
  depends_on = [azurerm_role_assignment.this, module.alerts, module.lock, module.private_endpoint]
}

output "network_id" {
  description = "Resource id of the stage's own network, to peer a hub with; null when it has none."
  value       = one([for network in module.network : network.id])
}
