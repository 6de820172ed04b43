output "datastore" {
  description = "The datastore, once the roles on its container are granted: id, type, and where it is (subscription, resource group, account, container)."
  value = {
    account         = local.parts[8]
    container       = local.parts[12]
    id              = local.made.id
    resource_group  = local.parts[4]
    subscription_id = local.parts[2]
    type            = var.type
  }
  depends_on = [azurerm_role_assignment.this]
}
