variable "account_key" {
  description = "Key of the account of a file share, which the provider knows no other way to; it is in the state then. Nothing else has one."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = (var.type == "file_share") == (var.account_key != null)
    error_message = var.type == "file_share" ? "Datastore ${var.name} is a file share: azurerm has no identity-based one, and it has no account_key. Make it a blob or adls_gen2 datastore, or give the key." : "Datastore ${var.name} is read by identity (${var.type}): leave out its account_key."
  }
}

variable "description" {
  description = "What is in it. Another one is another datastore."
  type        = string
  default     = null
}

variable "grants" {
  description = "Roles on the container, by a name of the caller's: who gets which."
  type = map(object({
    principal_id   = string
    principal_type = optional(string, "ServicePrincipal")
    role           = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for grant in var.grants : contains(local.roles, grant.role)])
    error_message = "A datastore's container knows ${join(", ", local.roles)}; unknown: ${join(", ", [for name, grant in var.grants : "${grant.role} (${name})" if !contains(local.roles, grant.role)])}."
  }

  validation {
    condition     = alltrue([for grant in var.grants : contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])
    error_message = "A principal_type is Group, ServicePrincipal or User; not so in: ${join(", ", [for name, grant in var.grants : name if !contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])}."
  }

  validation {
    condition     = var.type != "file_share" || length(var.grants) == 0
    error_message = "A file share is read with its key, roles change nothing: ${join(", ", keys(var.grants))} of ${var.name}."
  }
}

variable "name" {
  description = "Name of the datastore, as in azureml://datastores/NAME/paths/…"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_]{1,255}$", var.name))
    error_message = "A datastore's name has 1 to 255 letters, digits and '_'; not so: \"${var.name}\"."
  }

  validation {
    condition     = !contains(local.reserved, lower(var.name))
    error_message = "Azure ML makes ${var.name} itself, like ${join(", ", setsubtract(local.reserved, [lower(var.name)]))}: choose another name."
  }
}

variable "storage_id" {
  description = "Resource id of the container (…/blobServices/default/containers/NAME), or of a file share (…/fileServices/default/shares/NAME). Who plans needs to read its account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(var.type == "file_share" ? local.patterns.share : local.patterns.container, var.storage_id))
    error_message = "storage_id of ${var.type} datastore ${var.name} is no ${var.type == "file_share" ? "file share (…/storageAccounts/…/fileServices/default/shares/…)" : "container (…/storageAccounts/…/blobServices/default/containers/…)"}: \"${var.storage_id}\"."
  }
}

variable "tags" {
  description = "Tags of the datastore when it is made."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "type" {
  description = "blob, adls_gen2 (a container of a data lake) or file_share."
  type        = string
  default     = "blob"
  nullable    = false

  validation {
    condition     = contains(local.types, var.type)
    error_message = "A datastore's type is ${join(", ", local.types)}, not \"${var.type}\"."
  }
}

variable "workspace_id" {
  description = "Workspace that the datastore belongs to."
  type        = string
  nullable    = false
}
