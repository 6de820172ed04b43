output "stages" {
  description = "What each stage is initialised, signed in and applied with: the account and container of its state, the client ids of deployer and ci, and the variables that its root takes from here."
  value = {
    for name, stage in var.stages : name => {
      backend             = { container_name = "state-${name}", storage_account_name = module.state.name }
      ci_client_id        = module.identities.identities["${name}-ci"].client_id
      ci_principal_id     = module.identities.identities["${name}-ci"].principal_id
      deployer_client_id  = local.deployers[name].client_id
      resource_group_mode = stage.subscription_id == null ? "shared" : "own"
      subscription_id     = coalesce(stage.subscription_id, var.subscription_id)
    }
  }
  depends_on = [azurerm_role_assignment.deployer]
}

output "state_account" {
  description = "Name of the storage account that holds all state."
  value       = module.state.name
}
