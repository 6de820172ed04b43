variable "grants" {
  description = "Roles on the registry, own or shared, by a name of the caller's: who gets which."
  type = map(object({
    principal_id   = string
    principal_type = optional(string, "ServicePrincipal")
    role           = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for grant in var.grants : contains(local.roles, grant.role)])
    error_message = "A registry knows ${join(", ", local.roles)}; unknown: ${join(", ", [for name, grant in var.grants : "${grant.role} (${name})" if !contains(local.roles, grant.role)])}."
  }

  validation {
    condition     = alltrue([for grant in var.grants : contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])
    error_message = "A principal_type is Group, ServicePrincipal or User; not so in: ${join(", ", [for name, grant in var.grants : name if !contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])}."
  }

  validation {
    condition     = alltrue([for grant in var.grants : !contains(lookup(local.ignored_roles, var.role_assignment_mode, []), grant.role)])
    error_message = "A registry with ${var.role_assignment_mode} ignores: ${join(", ", [for name, grant in var.grants : "${grant.role} (${name})" if contains(lookup(local.ignored_roles, var.role_assignment_mode, []), grant.role)])}. It honours ${join(", ", local.ignored_roles[var.role_assignment_mode == local.modes[0] ? local.modes[1] : local.modes[0]])}."
  }

  validation {
    condition     = length(var.grants) == 0 || var.mode != "none"
    error_message = "Without a registry (mode none) nothing can be granted on it: ${join(", ", keys(var.grants))}."
  }
}

variable "location" {
  description = "Region of an own registry."
  type        = string
  nullable    = false
}

variable "log_analytics_id" {
  description = "Log Analytics workspace that takes the logs and metrics of an own registry."
  type        = string
  nullable    = false
}

variable "mode" {
  description = "own: the registry is made here. shared: it is there already, shared_id says which. none: Azure ML makes one by itself when it first builds an image."
  type        = string
  default     = "own"
  nullable    = false

  validation {
    condition     = contains(["none", "own", "shared"], var.mode)
    error_message = "The registry's mode is none, own or shared, not \"${var.mode}\"."
  }
}

variable "name" {
  description = "Name of an own registry, unique in all of Azure."
  type        = string
  default     = null

  validation {
    condition     = var.mode != "own" ? true : can(regex("^[a-zA-Z0-9]{5,50}$", var.name))
    error_message = "A registry's name has 5 to 50 letters and digits; \"${var.name == null ? "null" : var.name}\" has ${var.name == null ? 0 : length(var.name)} characters."
  }
}

variable "premium" {
  description = "What only the sku Premium can do: a key of yours (and the identity that may use it), data endpoints, no export, quarantine of new images, copies in other regions (by region), days until untagged images are deleted (0: never), spread over zones."
  type = object({
    customer_managed_key = optional(object({
      identity_client_id = string
      identity_id        = string
      key_id             = string
    }))
    data_endpoint = optional(bool, false)
    export        = optional(bool, true)
    quarantine    = optional(bool, false)
    replicas = optional(map(object({
      zone_redundancy = optional(bool, false)
    })), {})
    untagged_days   = optional(number, 0)
    zone_redundancy = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition = var.sku == "Premium" || !anytrue([
      var.premium.customer_managed_key != null, var.premium.data_endpoint, !var.premium.export, var.premium.quarantine,
      length(var.premium.replicas) > 0, var.premium.untagged_days > 0, var.premium.zone_redundancy,
    ])
    error_message = "Only sku Premium has, and ${var.sku} lacks: ${join(", ", compact([
      var.premium.customer_managed_key != null ? "customer_managed_key" : "", var.premium.data_endpoint ? "data_endpoint" : "",
      !var.premium.export ? "export = false" : "", var.premium.quarantine ? "quarantine" : "",
      length(var.premium.replicas) > 0 ? "replicas" : "", var.premium.untagged_days > 0 ? "untagged_days" : "",
      var.premium.zone_redundancy ? "zone_redundancy" : "",
    ]))}."
  }

  validation {
    condition     = var.premium.export || !var.public_network_access
    error_message = "premium.export = false goes with public_network_access = false only: what is public can be exported."
  }

  validation {
    condition     = !contains(keys(var.premium.replicas), var.location)
    error_message = "premium.replicas names ${var.location}, where the registry is already."
  }

  validation {
    condition     = var.premium.untagged_days >= 0 && var.premium.untagged_days <= 365
    error_message = "premium.untagged_days is 0 to 365, not ${var.premium.untagged_days}."
  }

  validation {
    condition     = var.premium.customer_managed_key == null ? true : can(regex(local.patterns.key, var.premium.customer_managed_key.key_id))
    error_message = "premium.customer_managed_key.key_id is no key of a vault: \"${var.premium.customer_managed_key == null ? "null" : var.premium.customer_managed_key.key_id}\"; https://VAULT.vault.azure.net/keys/NAME/VERSION is one."
  }
}

variable "public_network_access" {
  description = "Whether an own registry can be reached without a private endpoint."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.public_network_access || var.sku == "Premium" || var.mode != "own"
    error_message = "A registry without public access needs sku Premium, not ${var.sku}: \"${var.name == null ? "null" : var.name}\"."
  }
}

variable "resource_group_name" {
  description = "Resource group of an own registry."
  type        = string
  nullable    = false
}

variable "role_assignment_mode" {
  description = "Which roles the registry, own or shared, honours: LegacyRegistryPermissions (AcrPull and AcrPush) or AbacRepositoryPermissions (Container Registry Repository Reader and Writer)."
  type        = string
  default     = "LegacyRegistryPermissions"
  nullable    = false

  validation {
    condition     = contains(local.modes, var.role_assignment_mode)
    error_message = "role_assignment_mode is ${join(" or ", local.modes)}, not \"${var.role_assignment_mode}\"."
  }
}

variable "shared_id" {
  description = "Resource id of a shared registry, in any resource group or subscription."
  type        = string
  default     = null

  validation {
    condition     = (var.mode == "shared") == (var.shared_id != null)
    error_message = "shared_id of a registry goes with mode shared, and only with it; mode is ${var.mode}."
  }

  validation {
    condition     = var.shared_id == null ? true : can(regex(local.patterns.id, var.shared_id))
    error_message = "shared_id is no container registry: \"${var.shared_id == null ? "null" : var.shared_id}\"; /subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerRegistry/registries/… is one."
  }
}

variable "sku" {
  description = "Basic, Standard or Premium; Premium can be private."
  type        = string
  default     = "Standard"
  nullable    = false

  validation {
    condition     = contains(["Basic", "Premium", "Standard"], var.sku)
    error_message = "The registry's sku is Basic, Standard or Premium, not \"${var.sku}\"."
  }
}

variable "tags" {
  description = "Tags of an own registry."
  type        = map(string)
  default     = {}
  nullable    = false
}
