variable "data_accounts" {
  description = "Keys of the storage accounts for data: each gets a name."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "location" {
  description = "Region, as Azure writes it in ids: westeurope."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+$", var.location))
    error_message = "location is a region's short name like westeurope, not \"${var.location}\"."
  }
}

variable "overrides" {
  description = "Names that follow a convention of yours, by kind: workspace, storage_account, key_vault …"
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for kind in keys(var.overrides) : contains(local.kinds, kind)])
    error_message = "names has a kind that there is not: ${join(", ", [for kind in keys(var.overrides) : kind if !contains(local.kinds, kind)])}. There are ${join(", ", local.kinds)}."
  }
}

variable "project" {
  description = "What the stage is for: lower-case letters, digits and single '-'. It is part of every name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.project))
    error_message = "project has lower-case letters, digits and single '-', a letter first and no '-' last; not so: \"${var.project}\"."
  }
}

variable "stage" {
  description = "dev, qa or prod, or one of these with more after a '-': prod-eu."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(dev|qa|prod)(-[a-z0-9]{1,8})?$", var.stage))
    error_message = "stage is dev, qa or prod, or one of these and up to 8 lower-case letters and digits after a '-'; not so: \"${var.stage}\"."
  }
}

variable "subscription_id" {
  description = "Subscription of the stage, a GUID: a part of what makes names unique."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "subscription_id is a GUID in lower case, not \"${var.subscription_id}\"."
  }
}
