variable "alert_emails" {
  description = "Addresses that are told of alerts and of the budget, by a name of yours."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "ci_principal_id" {
  description = "Object id of the service principal that CI submits jobs and deploys models as; bootstrap gives it. null: none."
  type        = string
  default     = null
}

variable "groups" {
  description = "Object ids of Entra groups: who experiments, and who only looks; null: nobody."
  type = object({
    data_scientists = optional(string)
    readers         = optional(string)
  })
  nullable = false
}

variable "location" {
  description = "Region of the stage, as Azure writes it in ids: westeurope."
  type        = string
  nullable    = false
}

variable "project" {
  description = "What the stages are for: lower-case letters, digits and single '-', part of every name; with ten characters all names fit."
  type        = string
  nullable    = false
}

variable "resource_group_mode" {
  description = "own: the resource group is made here. shared: bootstrap has made it, so that who deploys needs no role outside of it."
  type        = string
  default     = "own"
  nullable    = false
}

variable "subscription_id" {
  description = "Subscription of the stage, a GUID in lower case."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of everything, beside managed-by, project and stage. No dates, no commits."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "tenant_id" {
  description = "Entra tenant, a GUID."
  type        = string
  nullable    = false
}
