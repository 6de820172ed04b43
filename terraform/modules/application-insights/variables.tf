variable "daily_cap_gb" {
  description = "Gigabytes a day after which nothing more is taken."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.daily_cap_gb > 0 && var.daily_cap_gb <= 1000
    error_message = "daily_cap_gb of Application Insights is above 0 and at most 1000, not ${var.daily_cap_gb}."
  }
}

variable "grants" {
  description = "Roles on Application Insights, by a name of the caller's: who gets which."
  type = map(object({
    principal_id   = string
    principal_type = optional(string, "ServicePrincipal")
    role           = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for grant in var.grants : contains(local.roles, grant.role)])
    error_message = "Application Insights knows ${join(", ", local.roles)}; unknown: ${join(", ", [for name, grant in var.grants : "${grant.role} (${name})" if !contains(local.roles, grant.role)])}."
  }

  validation {
    condition     = alltrue([for grant in var.grants : contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])
    error_message = "A principal_type is Group, ServicePrincipal or User; not so in: ${join(", ", [for name, grant in var.grants : name if !contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])}."
  }
}

variable "local_authentication" {
  description = "Whether a connection string alone may send, without a sign-in."
  type        = bool
  default     = true
  nullable    = false
}

variable "location" {
  description = "Region of Application Insights."
  type        = string
  nullable    = false
}

variable "log_analytics_id" {
  description = "Log Analytics workspace that keeps the data."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of Application Insights."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9._()-]{0,254}[a-zA-Z0-9_()-]$", var.name))
    error_message = "The name of Application Insights has 1 to 255 letters, digits and '-._()', no '.' last; not so: \"${var.name}\"."
  }
}

variable "resource_group_name" {
  description = "Resource group of Application Insights."
  type        = string
  nullable    = false
}

variable "retention_days" {
  description = "Days that data are kept."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = contains(local.retentions, var.retention_days)
    error_message = "retention_days of Application Insights is one of ${join(", ", local.retentions)}, not ${var.retention_days}."
  }
}

variable "sampling_percentage" {
  description = "Share of the telemetry that is kept."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.sampling_percentage > 0 && var.sampling_percentage <= 100
    error_message = "sampling_percentage is above 0 and at most 100, not ${var.sampling_percentage}."
  }
}

variable "tags" {
  description = "Tags of Application Insights."
  type        = map(string)
  default     = {}
  nullable    = false
}
