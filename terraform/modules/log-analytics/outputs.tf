output "id" {
  description = "Resource id of the workspace, own or shared."
  value       = merge({ shared = var.shared_id }, { for mode, workspace in azurerm_log_analytics_workspace.this : mode => workspace.id })[var.mode]
}
