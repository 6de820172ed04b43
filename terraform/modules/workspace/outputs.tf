output "discovery_url" {
  description = "Address by which clients find the workspace's services."
  value       = azurerm_machine_learning_workspace.this.discovery_url
}

output "id" {
  description = "Resource id of the workspace, once the roles on it are granted and its outbound rules stand: computes and datastores may follow."
  value       = azurerm_machine_learning_workspace.this.id
  depends_on = [
    azurerm_machine_learning_workspace_network_outbound_rule_fqdn.this,
    azurerm_machine_learning_workspace_network_outbound_rule_private_endpoint.this,
    azurerm_machine_learning_workspace_network_outbound_rule_service_tag.this,
    azurerm_role_assignment.this,
  ]
}

output "isolation_mode" {
  description = "How the network of the computes is kept: Disabled, AllowInternetOutbound or AllowOnlyApprovedOutbound."
  value       = var.managed_network.isolation_mode
}

output "location" {
  description = "Region of the workspace."
  value       = azurerm_machine_learning_workspace.this.location
}

output "name" {
  description = "Name of the workspace."
  value       = azurerm_machine_learning_workspace.this.name
}

output "workspace_id" {
  description = "Id that the service itself gave the workspace, a GUID."
  value       = azurerm_machine_learning_workspace.this.workspace_id
}
