variable "application_insights_id" {
  description = "Application Insights that takes what jobs and deployments send. Another one is another workspace."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(local.patterns.ids.application_insights, var.application_insights_id))
    error_message = "application_insights_id is no ${local.kinds.application_insights}: \"${var.application_insights_id}\"."
  }
}

variable "container_registry_id" {
  description = "Registry that takes the images; null: Azure ML makes one by itself when it first builds an image. It counts only when the workspace is made."
  type        = string
  default     = null

  validation {
    condition     = var.container_registry_id == null ? true : can(regex(local.patterns.ids.container_registry, var.container_registry_id))
    error_message = "container_registry_id is no ${local.kinds.container_registry}: \"${var.container_registry_id == null ? "null" : var.container_registry_id}\"."
  }
}

variable "customer_managed_key" {
  description = "A key of yours, and its vault, that encrypt what the workspace itself stores; service_side keeps that at Microsoft instead of a resource group of yours. null: Microsoft's key. Another answer is another workspace."
  type = object({
    key_id       = string
    key_vault_id = string
    service_side = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.customer_managed_key == null ? true : can(regex(local.patterns.key, var.customer_managed_key.key_id))
    error_message = "customer_managed_key.key_id is no version of a vault's key: \"${var.customer_managed_key == null ? "null" : var.customer_managed_key.key_id}\"; https://VAULT.vault.azure.net/keys/NAME/VERSION is one."
  }

  validation {
    condition     = var.customer_managed_key == null ? true : can(regex(local.patterns.ids.key_vault, var.customer_managed_key.key_vault_id))
    error_message = "customer_managed_key.key_vault_id is no ${local.kinds.key_vault}: \"${var.customer_managed_key == null ? "null" : var.customer_managed_key.key_vault_id}\"."
  }
}

variable "description" {
  description = "What the workspace is for, in a sentence."
  type        = string
  default     = null
}

variable "friendly_name" {
  description = "Name that the studio shows; null: the name."
  type        = string
  default     = null
}

variable "grants" {
  description = "Roles on the workspace, by a name of the caller's: who gets which."
  type = map(object({
    principal_id   = string
    principal_type = optional(string, "ServicePrincipal")
    role           = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for grant in var.grants : contains(local.roles, grant.role)])
    error_message = "A workspace knows ${join(", ", local.roles)}; unknown: ${join(", ", [for name, grant in var.grants : "${grant.role} (${name})" if !contains(local.roles, grant.role)])}."
  }

  validation {
    condition     = alltrue([for grant in var.grants : contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])
    error_message = "A principal_type is Group, ServicePrincipal or User; not so in: ${join(", ", [for name, grant in var.grants : name if !contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])}."
  }
}

variable "high_business_impact" {
  description = "Whether Microsoft collects less about the workspace, and encrypts the disks of its computes. Another answer is another workspace."
  type        = bool
  default     = false
  nullable    = false
}

variable "identity_id" {
  description = "User-assigned identity that the workspace is; its roles on all that the workspace needs are in place already."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(local.patterns.ids.identity, var.identity_id))
    error_message = "identity_id is no ${local.kinds.identity}: \"${var.identity_id}\"."
  }
}

variable "image_build_compute" {
  description = "Cluster that builds images, where a private registry keeps Azure's own builders out; null: those."
  type        = string
  default     = null
}

variable "key_vault_id" {
  description = "Vault of the workspace. Another one is another workspace."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(local.patterns.ids.key_vault, var.key_vault_id))
    error_message = "key_vault_id is no ${local.kinds.key_vault}: \"${var.key_vault_id}\"."
  }
}

variable "location" {
  description = "Region of the workspace."
  type        = string
  nullable    = false
}

variable "log_analytics_id" {
  description = "Log Analytics workspace that takes the logs and metrics."
  type        = string
  nullable    = false
}

variable "managed_network" {
  description = "The network that Azure ML keeps for the computes: Disabled, AllowInternetOutbound (private to what it must reach, open to the internet) or AllowOnlyApprovedOutbound (a firewall lets out what the rules below name). From one to the next only. Rules by name: fqdns (a host's name), private_endpoints (a resource and the part of it), service_tags."
  type = object({
    fqdns          = optional(map(string), {})
    isolation_mode = optional(string, "Disabled")
    private_endpoints = optional(map(object({
      resource_id = string
      spark       = optional(bool, false)
      subresource = string
    })), {})
    service_tags = optional(map(object({
      ports       = string
      protocol    = optional(string, "TCP")
      service_tag = string
    })), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(local.isolation_modes, var.managed_network.isolation_mode)
    error_message = "isolation_mode is one of ${join(", ", local.isolation_modes)}, not \"${var.managed_network.isolation_mode}\"."
  }

  validation {
    condition     = var.managed_network.isolation_mode == "AllowOnlyApprovedOutbound" || length(var.managed_network.fqdns) + length(var.managed_network.service_tags) == 0
    error_message = "Only AllowOnlyApprovedOutbound takes rules for names and service tags, ${var.managed_network.isolation_mode} lets all of them out: ${join(", ", concat(keys(var.managed_network.fqdns), keys(var.managed_network.service_tags)))}."
  }

  validation {
    condition     = var.managed_network.isolation_mode != "Disabled" || length(var.managed_network.private_endpoints) == 0
    error_message = "Without a managed network (isolation_mode Disabled) there is nothing that private endpoints could be in: ${join(", ", keys(var.managed_network.private_endpoints))}."
  }

  validation {
    condition     = alltrue([for name in concat(keys(var.managed_network.fqdns), keys(var.managed_network.private_endpoints), keys(var.managed_network.service_tags)) : can(regex(local.patterns.rule, name))])
    error_message = "An outbound rule's name has 1 to 63 letters, digits, '-' and '_', a letter or digit first; not so: ${join(", ", [for name in concat(keys(var.managed_network.fqdns), keys(var.managed_network.private_endpoints), keys(var.managed_network.service_tags)) : name if !can(regex(local.patterns.rule, name))])}."
  }

  validation {
    condition     = length(distinct(concat(keys(var.managed_network.fqdns), keys(var.managed_network.private_endpoints), keys(var.managed_network.service_tags)))) == length(concat(keys(var.managed_network.fqdns), keys(var.managed_network.private_endpoints), keys(var.managed_network.service_tags)))
    error_message = "Outbound rules of all kinds share one set of names; twice: ${join(", ", setunion(setintersection(keys(var.managed_network.fqdns), keys(var.managed_network.private_endpoints)), setintersection(keys(var.managed_network.fqdns), keys(var.managed_network.service_tags)), setintersection(keys(var.managed_network.private_endpoints), keys(var.managed_network.service_tags))))}."
  }

  validation {
    condition     = alltrue([for fqdn in var.managed_network.fqdns : can(regex(local.patterns.fqdn, fqdn))])
    error_message = "fqdns are names of hosts, without https:// or a path, '*.' may stand first; not so: ${join(", ", [for name, fqdn in var.managed_network.fqdns : "${name} = ${fqdn}" if !can(regex(local.patterns.fqdn, fqdn))])}."
  }

  validation {
    condition     = alltrue([for rule in var.managed_network.service_tags : contains(["*", "ICMP", "TCP", "UDP"], rule.protocol) && can(regex(local.patterns.ports, rule.ports))])
    error_message = "A service tag's protocol is *, ICMP, TCP or UDP, and its ports are like 443, 80,443 or 1000-2000; not so in: ${join(", ", [for name, rule in var.managed_network.service_tags : name if !(contains(["*", "ICMP", "TCP", "UDP"], rule.protocol) && can(regex(local.patterns.ports, rule.ports)))])}."
  }

  validation {
    condition     = alltrue([for endpoint in var.managed_network.private_endpoints : contains(flatten([for service, parts in local.subresources : parts if strcontains(lower(endpoint.resource_id), lower("/providers/${service}/"))]), endpoint.subresource)])
    error_message = "A managed network reaches by private endpoint ${join("; ", [for service, parts in local.subresources : "${service}: ${join(", ", parts)}"])}. Not so in: ${join(", ", [for name, endpoint in var.managed_network.private_endpoints : "${name} = ${endpoint.subresource}" if !contains(flatten([for service, parts in local.subresources : parts if strcontains(lower(endpoint.resource_id), lower("/providers/${service}/"))]), endpoint.subresource)])}."
  }
}

variable "name" {
  description = "Name of the workspace. A deleted workspace keeps its name for 14 days."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9-]{2,32}$", var.name))
    error_message = "A workspace's name has 3 to 33 letters, digits and '-', a letter or digit first; \"${var.name}\" has ${length(var.name)} characters."
  }
}

variable "public_network_access" {
  description = "Whether the workspace can be reached without a private endpoint."
  type        = bool
  default     = true
  nullable    = false
}

variable "resource_group_name" {
  description = "Resource group of the workspace."
  type        = string
  nullable    = false
}

variable "serverless_compute" {
  description = "Where jobs without a compute run: with or without public addresses, in a subnet of yours; null: as Azure ML likes."
  type = object({
    public_ip = optional(bool, false)
    subnet_id = optional(string)
  })
  default = null

  validation {
    condition     = var.serverless_compute == null ? true : var.serverless_compute.public_ip || var.serverless_compute.subnet_id != null || var.public_network_access
    error_message = "serverless_compute of a workspace without public_network_access has a subnet_id, or public_ip = true: Azure ML cannot reach its nodes otherwise. In a managed network leave it out."
  }

  validation {
    condition     = var.serverless_compute == null ? true : var.serverless_compute.subnet_id == null ? true : can(regex(local.patterns.subnet, var.serverless_compute.subnet_id))
    error_message = "serverless_compute.subnet_id is no subnet: \"${var.serverless_compute == null ? "null" : coalesce(var.serverless_compute.subnet_id, "null")}\"."
  }

  validation {
    condition     = var.serverless_compute == null ? true : var.serverless_compute.subnet_id == null || var.managed_network.isolation_mode == "Disabled"
    error_message = "serverless_compute.subnet_id and a managed network (${var.managed_network.isolation_mode}) exclude each other."
  }
}

variable "storage_account_id" {
  description = "Storage account of the workspace, not a data lake. Another one is another workspace."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(local.patterns.ids.storage_account, var.storage_account_id))
    error_message = "storage_account_id is no ${local.kinds.storage_account}: \"${var.storage_account_id}\"."
  }
}

variable "tags" {
  description = "Tags of the workspace."
  type        = map(string)
  default     = {}
  nullable    = false
}
