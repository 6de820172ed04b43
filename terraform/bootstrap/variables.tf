variable "allowed_ips" {
  description = "Public addresses or ranges that may reach the state; none: any may, with a role. Runners that GitHub hosts have no fixed address."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "grants" {
  description = "Roles on the account of the state, by a name of the caller's: at least Storage Blob Data Contributor for who applies bootstrap, whom being an owner does not let in."
  type = map(object({
    principal_id   = string
    principal_type = optional(string, "ServicePrincipal")
    role           = string
  }))
  default  = {}
  nullable = false
}

variable "location" {
  description = "Region of the state and of the stages' resource groups, as Azure writes it in ids: westeurope."
  type        = string
  nullable    = false
}

variable "project" {
  description = "What the stages are for: lower-case letters, digits and single '-', part of every name; with ten characters all names fit."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.project))
    error_message = "project has lower-case letters, digits and single '-', a letter first and no '-' last; not so: \"${var.project}\"."
  }
}

variable "replication" {
  description = "How many copies of the state there are and where: LRS, ZRS, GRS, RAGRS, GZRS or RAGZRS."
  type        = string
  default     = "GRS"
  nullable    = false
}

variable "repository" {
  description = "GitHub repository, OWNER/NAME, whose environments sign in without a secret: a stage's name (dev) as its ci, and that with -infrastructure after it (dev-infrastructure) as its deployer. null: none; credentials of the stages say who else."
  type        = string
  default     = null

  validation {
    condition     = var.repository == null ? true : can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.repository))
    error_message = "repository is OWNER/NAME, not \"${var.repository == null ? "null" : var.repository}\"."
  }
}

variable "stages" {
  description = <<-EOT
    Stages by name.
    subscription_id: a subscription of its own, on which its deployer has roles; null: this one, where it has them on a resource group that is made here (the stage then says resource_group_mode = "shared").
    credentials: who else signs in as its ci or its deployer (Azure Pipelines, another branch), by a name of the caller's.
    containers: resource ids of containers elsewhere that its datastores name, so that its deployer may grant reading them.
    shared: resource ids of vaults and registries of others that it uses, so that its deployer may grant roles on them.
    grants: other roles of its deployer, each with its scope: Network Contributor on a subnet, Private DNS Zone Contributor on a zone, Log Analytics Contributor on a shared workspace.
  EOT
  type = map(object({
    containers = optional(map(string), {})
    credentials = optional(object({
      ci = optional(map(object({
        audience = optional(string, "api://AzureADTokenExchange")
        issuer   = string
        subject  = string
      })), {})
      deployer = optional(map(object({
        audience = optional(string, "api://AzureADTokenExchange")
        issuer   = string
        subject  = string
      })), {})
    }), {})
    grants = optional(map(object({
      role  = string
      scope = string
    })), {})
    shared          = optional(map(string), {})
    subscription_id = optional(string)
  }))
  default  = { dev = {}, prod = {}, qa = {} }
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.stages) : can(regex(local.patterns.stage, name))])
    error_message = "A stage is dev, qa or prod, or one of these and up to 8 lower-case letters and digits after a '-'; not so: ${join(", ", [for name in keys(var.stages) : name if !can(regex(local.patterns.stage, name))])}."
  }

  validation {
    condition     = alltrue([for stage in var.stages : stage.subscription_id == null ? true : can(regex(local.patterns.guid, stage.subscription_id))])
    error_message = "A stage's subscription_id is a GUID in lower case; not so in: ${join(", ", [for name, stage in var.stages : name if stage.subscription_id == null ? false : !can(regex(local.patterns.guid, stage.subscription_id))])}."
  }

  validation {
    condition     = alltrue(flatten([for stage in var.stages : [for id in stage.containers : can(regex(local.patterns.container, id))]]))
    error_message = "containers are resource ids (…/storageAccounts/…/blobServices/default/containers/…); not so: ${join(", ", flatten([for name, stage in var.stages : [for key, id in stage.containers : "${name}/${key}" if !can(regex(local.patterns.container, id))]]))}."
  }

  validation {
    condition     = alltrue(flatten([for stage in var.stages : [for id in stage.shared : can(regex(local.patterns.shared, id))]]))
    error_message = "shared has resource ids of vaults and registries (…/Microsoft.KeyVault/vaults/…, …/Microsoft.ContainerRegistry/registries/…); not so: ${join(", ", flatten([for name, stage in var.stages : [for key, id in stage.shared : "${name}/${key}" if !can(regex(local.patterns.shared, id))]]))}."
  }

  validation {
    condition     = alltrue(flatten([for stage in var.stages : [for grant in stage.grants : contains(local.elsewhere, grant.role)]]))
    error_message = "Elsewhere a deployer has ${join(", ", local.elsewhere)}; unknown: ${join(", ", flatten([for name, stage in var.stages : [for key, grant in stage.grants : "${grant.role} (${name}/${key})" if !contains(local.elsewhere, grant.role)]]))}."
  }
}

variable "subscription_id" {
  description = "Subscription of the state, a GUID in lower case."
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
