output "data_accounts" {
  description = "Names of the storage accounts for data, by their keys."
  value       = local.data_accounts
}

output "names" {
  description = "Names by kind, each within what its resource allows."
  value       = local.names

  precondition {
    condition     = length(local.too_long) == 0
    error_message = "Project \"${var.project}\" and stage ${var.stage} make names that are too long: ${join("; ", local.too_long)}. Shorten the project, or give these names yourself."
  }
}

output "suffix" {
  description = "Six characters that no other stage has."
  value       = local.suffix
}
