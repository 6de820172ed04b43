variable "address_space" {
  description = "Ranges of addresses that the network has."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.address_space) > 0 && alltrue([for cidr in var.address_space : can(cidrsubnet(cidr, 0, 0))])
    error_message = "address_space has ranges like 10.90.0.0/24; not so: ${join(", ", [for cidr in var.address_space : cidr if !can(cidrsubnet(cidr, 0, 0))])}."
  }

  validation {
    condition     = alltrue([for cidr in var.address_space : can(cidrsubnet(cidr, 0, 0)) ? cidrsubnet(cidr, 0, 0) == cidr : true])
    error_message = "A range starts where its mask says: ${join(", ", [for cidr in var.address_space : "${cidr} is ${cidrsubnet(cidr, 0, 0)}" if can(cidrsubnet(cidr, 0, 0)) ? cidrsubnet(cidr, 0, 0) != cidr : false])}."
  }
}

variable "dns_zones" {
  description = "Private DNS zones that are made here, each linked to the network: privatelink.blob.core.windows.net and its like."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for zone in var.dns_zones : can(regex(local.patterns.zone, zone))])
    error_message = "A zone of private endpoints starts with privatelink. and has lower-case letters, digits, '-' and '.'; not so: ${join(", ", [for zone in var.dns_zones : zone if !can(regex(local.patterns.zone, zone))])}."
  }
}

variable "linked_networks" {
  description = "Resource ids of other networks (a hub, one with a VPN gateway) that find the private names too, by a name of the caller's. That packets find their way is for who owns them: peer them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for id in var.linked_networks : can(regex(local.patterns.network, id))])
    error_message = "linked_networks are resource ids of virtual networks; not so: ${join(", ", [for name, id in var.linked_networks : "${name} = ${id}" if !can(regex(local.patterns.network, id))])}."
  }

  validation {
    condition     = !contains(keys(var.linked_networks), "own")
    error_message = "linked_networks has a network called own, which is the network itself: choose another name."
  }
}

variable "location" {
  description = "Region of the network."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the network."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9_])$", var.name))
    error_message = "A network's name has 2 to 64 letters, digits, '_', '.' and '-', a letter or digit first; \"${var.name}\" has ${length(var.name)} characters."
  }
}

variable "resource_group_name" {
  description = "Resource group of the network and its zones."
  type        = string
  nullable    = false
}

variable "subnets" {
  description = "Subnets by name, each a range of address_space of its own."
  type = map(object({
    cidr = string
  }))
  nullable = false

  validation {
    condition     = alltrue([for name, subnet in var.subnets : can(regex(local.patterns.subnet, name))])
    error_message = "A subnet's name has 1 to 80 letters, digits, '_', '.' and '-', a letter or digit first; not so: ${join(", ", [for name, subnet in var.subnets : name if !can(regex(local.patterns.subnet, name))])}."
  }

  validation {
    condition     = alltrue([for subnet in var.subnets : can(cidrsubnet(subnet.cidr, 0, 0)) ? cidrsubnet(subnet.cidr, 0, 0) == subnet.cidr && tonumber(split("/", subnet.cidr)[1]) <= 29 : false])
    error_message = "A subnet's cidr is a range like 10.90.0.0/26 that starts where its mask says, /29 or wider; not so in: ${join(", ", [for name, subnet in var.subnets : "${name} = ${subnet.cidr}" if can(cidrsubnet(subnet.cidr, 0, 0)) ? cidrsubnet(subnet.cidr, 0, 0) != subnet.cidr || tonumber(split("/", subnet.cidr)[1]) > 29 : true])}."
  }
}

variable "tags" {
  description = "Tags of the network, its subnets' security groups and zones."
  type        = map(string)
  default     = {}
  nullable    = false
}
