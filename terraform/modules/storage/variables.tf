variable "allowed_ips" {
  description = "Public addresses or ranges (203.0.113.7, 203.0.113.0/30) that may reach a public account; none means all may, with a role. A range has at most /30: a smaller one is written as addresses."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for ip in var.allowed_ips : can(regex("/", ip)) ? can(cidrhost(ip, 0)) && tonumber(split("/", ip)[1]) <= 30 : can(cidrhost("${ip}/32", 0))])
    error_message = "Not an address, nor a range of at most /30: ${join(", ", [for ip in var.allowed_ips : ip if !(can(regex("/", ip)) ? can(cidrhost(ip, 0)) && tonumber(split("/", ip)[1]) <= 30 : can(cidrhost("${ip}/32", 0)))])}."
  }

  validation {
    condition     = length(var.allowed_ips) == 0 || var.public_network_access
    error_message = "allowed_ips (${join(", ", var.allowed_ips)}) need public_network_access: without it only private endpoints reach the account."
  }
}

variable "containers" {
  description = "Blob containers by name."
  type = map(object({
    metadata = optional(map(string), {})
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name, container in var.containers : can(regex(local.patterns.container, name))])
    error_message = "A container's name has 3 to 63 lower-case letters, digits and single '-', none of these first or last; not so: ${join(", ", [for name, container in var.containers : name if !can(regex(local.patterns.container, name))])}."
  }
}

variable "customer_managed_key" {
  description = "A key of yours that encrypts the account, and the identity that may use it; null: Microsoft's key."
  type = object({
    identity_id = string
    key_id      = string
  })
  default = null

  validation {
    condition     = var.customer_managed_key == null ? true : can(regex(local.patterns.key, var.customer_managed_key.key_id))
    error_message = "customer_managed_key.key_id is no key of a vault: \"${var.customer_managed_key == null ? "null" : var.customer_managed_key.key_id}\"; https://VAULT.vault.azure.net/keys/NAME/VERSION is one."
  }
}

variable "grants" {
  description = "Roles on the storage account, by a name of the caller's: who gets which."
  type = map(object({
    principal_id   = string
    principal_type = optional(string, "ServicePrincipal")
    role           = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for grant in var.grants : contains(local.roles, grant.role)])
    error_message = "A storage account knows ${join(", ", local.roles)}; unknown: ${join(", ", [for name, grant in var.grants : "${grant.role} (${name})" if !contains(local.roles, grant.role)])}."
  }

  validation {
    condition     = alltrue([for grant in var.grants : contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])
    error_message = "A principal_type is Group, ServicePrincipal or User; not so in: ${join(", ", [for name, grant in var.grants : name if !contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])}."
  }
}

variable "hierarchical_namespace" {
  description = "Whether the account is a data lake (ADLS Gen2): folders instead of prefixes, and no versions of blobs. Never for the account of a workspace. Changing it replaces the account."
  type        = bool
  default     = false
  nullable    = false
}

variable "lifecycle_rules" {
  description = "What becomes of blobs with age, by a name of the caller's: days after the last change until they cool down and are deleted (null: never), and until old versions are deleted; for names that start with one of the prefixes, container first (none: all)."
  type = map(object({
    cool_after_days            = optional(number)
    delete_after_days          = optional(number)
    prefixes                   = optional(set(string), [])
    versions_delete_after_days = optional(number, 30)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name, rule in var.lifecycle_rules : can(regex("^[a-zA-Z0-9-]{1,256}$", name))])
    error_message = "A lifecycle rule's name has letters, digits and '-'; not so: ${join(", ", [for name, rule in var.lifecycle_rules : name if !can(regex("^[a-zA-Z0-9-]{1,256}$", name))])}."
  }

  validation {
    condition     = alltrue([for rule in var.lifecycle_rules : rule.cool_after_days == null || rule.delete_after_days == null ? true : rule.cool_after_days < rule.delete_after_days])
    error_message = "Blobs would be deleted before they cool down in: ${join(", ", [for name, rule in var.lifecycle_rules : name if rule.cool_after_days == null || rule.delete_after_days == null ? false : rule.cool_after_days >= rule.delete_after_days])}."
  }

  validation {
    condition     = alltrue([for rule in var.lifecycle_rules : rule.cool_after_days != null || rule.delete_after_days != null || var.versioning])
    error_message = "Nothing happens by these lifecycle rules, as they name no days: ${join(", ", [for name, rule in var.lifecycle_rules : name if rule.cool_after_days == null && rule.delete_after_days == null])}."
  }
}

variable "location" {
  description = "Region of the account."
  type        = string
  nullable    = false
}

variable "log_analytics_id" {
  description = "Log Analytics workspace that takes the logs and metrics."
  type        = string
  nullable    = false
}

variable "logged_operations" {
  description = "Operations on blobs and files that are logged: Read, Write, Delete. Reads are many: they cost what they weigh."
  type        = set(string)
  default     = ["Delete", "Write"]
  nullable    = false

  validation {
    condition     = length(setsubtract(var.logged_operations, ["Delete", "Read", "Write"])) == 0
    error_message = "Operations are Delete, Read and Write; unknown: ${join(", ", setsubtract(var.logged_operations, ["Delete", "Read", "Write"]))}."
  }
}

variable "name" {
  description = "Name of the account, unique in all of Azure."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.name))
    error_message = "A storage account's name has 3 to 24 lower-case letters and digits; \"${var.name}\" has ${length(var.name)} characters."
  }
}

variable "public_network_access" {
  description = "Whether the account can be reached without a private endpoint."
  type        = bool
  default     = true
  nullable    = false
}

variable "replication" {
  description = "How many copies there are and where: LRS, ZRS, GRS, RAGRS, GZRS or RAGZRS."
  type        = string
  default     = "LRS"
  nullable    = false

  validation {
    condition     = contains(local.replications, var.replication)
    error_message = "replication is one of ${join(", ", local.replications)}, not \"${var.replication}\"."
  }
}

variable "resource_group_name" {
  description = "Resource group of the account."
  type        = string
  nullable    = false
}

variable "soft_delete_days" {
  description = "Days in which a deleted blob, container or share can be brought back."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.soft_delete_days >= 1 && var.soft_delete_days <= 365
    error_message = "soft_delete_days is 1 to 365, not ${var.soft_delete_days}."
  }
}

variable "tags" {
  description = "Tags of the account."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "versioning" {
  description = "Whether a blob that is written again keeps what it was."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = !(var.versioning && var.hierarchical_namespace)
    error_message = "A data lake (hierarchical_namespace) has no versions of blobs: set versioning = false for \"${var.name}\"."
  }
}
