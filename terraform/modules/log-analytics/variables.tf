variable "daily_quota_gb" {
  description = "Gigabytes a day after which an own workspace takes nothing more; -1: no limit."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.daily_quota_gb == -1 || var.daily_quota_gb > 0
    error_message = "daily_quota_gb of Log Analytics is above 0, or -1 for no limit, not ${var.daily_quota_gb}."
  }
}

variable "location" {
  description = "Region of an own workspace."
  type        = string
  nullable    = false
}

variable "mode" {
  description = "own: the workspace is made here. shared: it is there already, shared_id says which."
  type        = string
  default     = "own"
  nullable    = false

  validation {
    condition     = contains(["own", "shared"], var.mode)
    error_message = "The mode of Log Analytics is own or shared, not \"${var.mode}\"."
  }
}

variable "name" {
  description = "Name of an own workspace."
  type        = string
  default     = null

  validation {
    condition     = var.mode != "own" ? true : can(regex(local.patterns.name, var.name))
    error_message = "The name of a Log Analytics workspace has 4 to 63 letters, digits and '-', none of these first or last; not so: \"${var.name == null ? "null" : var.name}\"."
  }
}

variable "resource_group_name" {
  description = "Resource group of an own workspace."
  type        = string
  nullable    = false
}

variable "retention_days" {
  description = "Days that an own workspace keeps data."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.retention_days >= 30 && var.retention_days <= 730
    error_message = "retention_days of Log Analytics is 30 to 730, not ${var.retention_days}."
  }
}

variable "shared_id" {
  description = "Resource id of a shared workspace, in any resource group or subscription."
  type        = string
  default     = null

  validation {
    condition     = (var.mode == "shared") == (var.shared_id != null)
    error_message = "shared_id of Log Analytics goes with mode shared, and only with it; mode is ${var.mode}."
  }

  validation {
    condition     = var.shared_id == null ? true : can(regex(local.patterns.id, var.shared_id))
    error_message = "shared_id is no Log Analytics workspace: \"${var.shared_id == null ? "null" : var.shared_id}\"; /subscriptions/…/resourceGroups/…/providers/Microsoft.OperationalInsights/workspaces/… is one."
  }
}

variable "tags" {
  description = "Tags of an own workspace."
  type        = map(string)
  default     = {}
  nullable    = false
}
