variable "allowed_ips" {
  description = "Public addresses or ranges (203.0.113.7, 203.0.113.0/24) that may reach a public vault; none means all may, with a role."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for ip in var.allowed_ips : can(cidrhost(strcontains(ip, "/") ? ip : "${ip}/32", 0))])
    error_message = "Not an address, nor a range: ${join(", ", [for ip in var.allowed_ips : ip if !can(cidrhost(strcontains(ip, "/") ? ip : "${ip}/32", 0))])}."
  }

  validation {
    condition     = length(var.allowed_ips) == 0 || var.public_network_access
    error_message = "allowed_ips (${join(", ", var.allowed_ips)}) need public_network_access: without it only private endpoints reach the vault."
  }
}

variable "grants" {
  description = "Roles on the vault, own or shared, by a name of the caller's: who gets which."
  type = map(object({
    principal_id   = string
    principal_type = optional(string, "ServicePrincipal")
    role           = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for grant in var.grants : contains(local.roles, grant.role)])
    error_message = "A vault knows ${join(", ", local.roles)}; unknown: ${join(", ", [for name, grant in var.grants : "${grant.role} (${name})" if !contains(local.roles, grant.role)])}."
  }

  validation {
    condition     = alltrue([for grant in var.grants : contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])
    error_message = "A principal_type is Group, ServicePrincipal or User; not so in: ${join(", ", [for name, grant in var.grants : name if !contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])}."
  }
}

variable "location" {
  description = "Region of the vault."
  type        = string
  nullable    = false
}

variable "log_analytics_id" {
  description = "Log Analytics workspace that takes the audit log and metrics of an own vault."
  type        = string
  nullable    = false
}

variable "mode" {
  description = "own: the vault is made here. shared: it is there already, shared_id says which."
  type        = string
  default     = "own"
  nullable    = false

  validation {
    condition     = contains(["own", "shared"], var.mode)
    error_message = "The vault's mode is own or shared, not \"${var.mode}\"."
  }
}

variable "name" {
  description = "Name of an own vault, unique in all of Azure."
  type        = string
  default     = null

  validation {
    condition     = var.mode != "own" ? true : can(regex(local.patterns.name, var.name)) && length(var.name) >= 3 && length(var.name) <= 24
    error_message = "A vault's name has 3 to 24 letters, digits and single '-', a letter first and no '-' last; \"${var.name == null ? "null" : var.name}\" has ${var.name == null ? 0 : length(var.name)} characters."
  }
}

variable "public_network_access" {
  description = "Whether an own vault can be reached without a private endpoint."
  type        = bool
  default     = true
  nullable    = false
}

variable "purge_protection" {
  description = "Whether a deleted vault can be brought back by anyone for all of retention_days, and purged by no one. It cannot be switched off again."
  type        = bool
  default     = true
  nullable    = false
}

variable "resource_group_name" {
  description = "Resource group of an own vault."
  type        = string
  nullable    = false
}

variable "retention_days" {
  description = "Days in which a deleted vault or secret can be brought back. It cannot be changed later."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.retention_days >= 7 && var.retention_days <= 90
    error_message = "retention_days of a vault is 7 to 90, not ${var.retention_days}."
  }
}

variable "shared_id" {
  description = "Resource id of a shared vault, in any resource group or subscription."
  type        = string
  default     = null

  validation {
    condition     = (var.mode == "shared") == (var.shared_id != null)
    error_message = "shared_id of a vault goes with mode shared, and only with it; mode is ${var.mode}."
  }

  validation {
    condition     = var.shared_id == null ? true : can(regex(local.patterns.id, var.shared_id))
    error_message = "shared_id is no vault: \"${var.shared_id == null ? "null" : var.shared_id}\"; /subscriptions/…/resourceGroups/…/providers/Microsoft.KeyVault/vaults/… is one."
  }
}

variable "sku" {
  description = "standard, or premium for keys in hardware."
  type        = string
  default     = "standard"
  nullable    = false

  validation {
    condition     = contains(["premium", "standard"], var.sku)
    error_message = "The vault's sku is standard or premium, not \"${var.sku}\"."
  }
}

variable "tags" {
  description = "Tags of an own vault."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "tenant_id" {
  description = "Entra tenant whose people and identities may be granted roles on an own vault."
  type        = string
  nullable    = false
}
