# User-assigned identities: known before what they work for, so that their roles can be in place first, and not lost with it.

locals {
  patterns = {
    credential = "^[a-zA-Z0-9][a-zA-Z0-9_-]{2,119}$"
    identity   = "^[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}$"
  }

  credentials = merge([
    for key, identity in var.identities : {
      for name, credential in identity.credentials : "${key}/${name}" => merge(credential, { identity = key, name = name })
    }
  ]...)
}

resource "azurerm_user_assigned_identity" "this" {
  for_each = var.identities

  name                = each.value.name
  location            = var.location
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "this" {
  for_each = local.credentials

  name                      = each.value.name
  user_assigned_identity_id = azurerm_user_assigned_identity.this[each.value.identity].id
  audience                  = [each.value.audience]
  issuer                    = each.value.issuer
  subject                   = each.value.subject
}
