output "aml" {
  description = "The contract with mlops_lib: names and ids of what the stage has, nothing secret."
  value       = module.stage.aml
}

output "network_id" {
  description = "Resource id of the stage's own network, to peer a hub with; null when it has none."
  value       = module.stage.network_id
}
