output "datastores" {
  description = "Grants on the container of each datastore, by the datastore's name."
  value       = local.datastores
}

output "grants" {
  description = "Grants by what they are on: application_insights, data_accounts, key_vault, registry, resource_group, storage, workspace."
  value       = local.grants
}
