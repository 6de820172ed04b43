variable "dns_zone_ids" {
  description = "Resource ids of private DNS zones, by zone; more than this endpoint needs may be there. Who else looks names up is linked to them."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(lookup(local.zones, var.subresource, []), keys(var.dns_zone_ids))) == 0
    error_message = "dns_zone_ids lacks, for ${var.subresource} of ${var.name}: ${join(", ", setsubtract(lookup(local.zones, var.subresource, []), keys(var.dns_zone_ids)))}."
  }

  validation {
    condition     = alltrue([for zone, id in var.dns_zone_ids : can(regex(local.patterns.zone, id)) && endswith(lower(id), lower("/${zone}"))])
    error_message = "dns_zone_ids are resource ids of the private DNS zones that they are told by; not so: ${join(", ", [for zone, id in var.dns_zone_ids : "${zone} = ${id}" if !(can(regex(local.patterns.zone, id)) && endswith(lower(id), lower("/${zone}")))])}."
  }
}

variable "location" {
  description = "Region of the endpoint: that of its subnet."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the endpoint."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,74}[a-zA-Z0-9_]$", var.name))
    error_message = "A private endpoint's name has 2 to 76 letters, digits, '_', '.' and '-' (its interface has four more), a letter or digit first; \"${var.name}\" has ${length(var.name)} characters."
  }
}

variable "resource_group_name" {
  description = "Resource group of the endpoint."
  type        = string
  nullable    = false
}

variable "resource_id" {
  description = "Resource that gets a private address."
  type        = string
  nullable    = false
}

variable "subnet_id" {
  description = "Subnet that the address is from."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(local.patterns.subnet, var.subnet_id))
    error_message = "subnet_id of ${var.name} is no subnet: \"${var.subnet_id}\"."
  }
}

variable "subresource" {
  description = "Part of the resource: amlworkspace, blob, dfs, file, queue, registry, table or vault."
  type        = string
  nullable    = false

  validation {
    condition     = contains(keys(local.zones), var.subresource)
    error_message = "subresource of ${var.name} is one of ${join(", ", keys(local.zones))}, not \"${var.subresource}\"."
  }
}

variable "tags" {
  description = "Tags of the endpoint."
  type        = map(string)
  default     = {}
  nullable    = false
}
