output "identities" {
  description = "By purpose: resource id, client id (what code signs in as) and principal id (what roles are granted to)."
  value = {
    for key, identity in azurerm_user_assigned_identity.this : key => {
      client_id    = identity.client_id
      id           = identity.id
      principal_id = identity.principal_id
    }
  }
}
