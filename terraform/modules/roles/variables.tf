variable "data_scientists_may" {
  description = "write: data scientists run jobs and use the computes; read: they look."
  type        = string
  default     = "read"
  nullable    = false

  validation {
    condition     = contains(["read", "write"], var.data_scientists_may)
    error_message = "data_scientists_may is read or write, not \"${var.data_scientists_may}\"."
  }
}

variable "datastores" {
  description = "What jobs may do with a datastore, by its name: read or write. Those that are read with a key are not here."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for access in var.datastores : contains(["read", "write"], access)])
    error_message = "A datastore's access is read or write; not so in: ${join(", ", [for name, access in var.datastores : "${name} = ${access}" if !contains(["read", "write"], access)])}."
  }
}

variable "identities" {
  description = "Principal ids of what the workspace is and what jobs sign in as."
  type = object({
    jobs      = string
    workspace = string
  })
  nullable = false
}

variable "jobs" {
  description = "What jobs need beyond their outputs: mount the workspace's file share, run parallel jobs (queues and tables), submit jobs or register models from code."
  type = object({
    mount_file_share = optional(bool, false)
    run_parallel     = optional(bool, false)
    submit_jobs      = optional(bool, false)
  })
  default  = {}
  nullable = false
}

variable "managed_network" {
  description = "Whether the workspace keeps a network for the computes."
  type        = bool
  default     = false
  nullable    = false
}

variable "people" {
  description = "Object ids in Entra: the service principal of CI, the groups of data scientists and of readers; null: nobody."
  type = object({
    ci              = optional(string)
    data_scientists = optional(string)
    readers         = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for id in var.people : id == null ? true : can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", id))])
    error_message = "The object ids of people are GUIDs; not so: ${join(", ", [for who, id in var.people : "${who} = ${id == null ? "null" : id}" if id == null ? false : !can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", id))])}."
  }
}

variable "role_assignment_mode" {
  description = "Which roles the registry honours: LegacyRegistryPermissions (AcrPull and AcrPush) or AbacRepositoryPermissions (Container Registry Repository Reader and Writer)."
  type        = string
  default     = "LegacyRegistryPermissions"
  nullable    = false

  validation {
    condition     = contains(keys(local.registry_roles), var.role_assignment_mode)
    error_message = "role_assignment_mode is ${join(" or ", keys(local.registry_roles))}, not \"${var.role_assignment_mode}\"."
  }
}
