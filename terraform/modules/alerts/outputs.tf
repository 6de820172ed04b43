output "action_group_id" {
  description = "Resource id of the action group: what other alerts may call."
  value       = azurerm_monitor_action_group.this.id
}
