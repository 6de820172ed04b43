# Locks: what has one is deleted by nobody, whatever their roles, until the lock is. It holds for all that is below as well:
# roles, containers, deployments. So locks come last, and go first.

resource "azurerm_management_lock" "this" {
  for_each = var.locks

  name       = each.value.name
  scope      = each.value.scope
  lock_level = "CanNotDelete" # ReadOnly would keep Terraform from reading: it lists an account's keys at every plan
  notes      = each.value.notes
}
