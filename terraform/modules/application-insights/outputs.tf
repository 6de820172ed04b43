output "id" {
  description = "Resource id of Application Insights, once the roles on it are granted."
  value       = azurerm_application_insights.this.id
  depends_on  = [azurerm_role_assignment.this]
}
