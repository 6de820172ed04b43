output "ids" {
  description = "Resource ids of the locks, by key."
  value       = { for key, lock in azurerm_management_lock.this : key => lock.id }
}
