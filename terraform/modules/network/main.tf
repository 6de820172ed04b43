# A network for private endpoints: subnets that nothing else reaches, and the zones in which private names are looked up.

locals {
  patterns = {
    network = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.Network/virtualNetworks/[^/]+$"
    subnet  = "^[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,78}[a-zA-Z0-9_])?$"
    zone    = "^privatelink(\\.[a-z0-9-]+)+$"
  }

  # Two ranges overlap when the shorter of their masks makes them one.
  ranges = {
    address_space = { for cidr in var.address_space : cidr => cidr }
    subnets       = { for name, subnet in var.subnets : name => subnet.cidr }
  }
  overlaps = {
    for group, ranges in local.ranges : group => [
      for pair in setproduct(keys(ranges), keys(ranges)) : "${pair[0]} and ${pair[1]}"
      if index(keys(ranges), pair[0]) < index(keys(ranges), pair[1]) && length(distinct([
        for name in pair : cidrsubnet("${split("/", ranges[name])[0]}/${min([for cidr in [for name in pair : ranges[name]] : tonumber(split("/", cidr)[1])]...)}", 0, 0)
      ])) == 1
    ]
  }
  outside = [
    for name, subnet in var.subnets : "${name} (${subnet.cidr})" if !anytrue([
      for space in var.address_space : tonumber(split("/", subnet.cidr)[1]) >= tonumber(split("/", space)[1]) && cidrsubnet("${split("/", subnet.cidr)[0]}/${split("/", space)[1]}", 0, 0) == space
    ])
  ]

  # The network itself and those that are to find the private names too: each is linked to each zone.
  linked = merge({ own = azurerm_virtual_network.this.id }, var.linked_networks)
  links = merge([
    for zone in var.dns_zones : {
      for name, network in local.linked : "${zone}/${name}" => { name = name, network = network, zone = zone }
    }
  ]...)
}

resource "azurerm_virtual_network" "this" {
  name                = var.name
  location            = var.location
  resource_group_name = var.resource_group_name
  address_space       = var.address_space
  tags                = var.tags

  lifecycle {
    precondition {
      condition     = length(local.overlaps.address_space) == 0
      error_message = "Ranges of address_space overlap: ${join(", ", local.overlaps.address_space)}."
    }

    precondition {
      condition     = length(local.overlaps.subnets) == 0
      error_message = "Subnets overlap: ${join(", ", local.overlaps.subnets)}."
    }

    precondition {
      condition     = length(local.outside) == 0
      error_message = "Subnets outside of address_space (${join(", ", var.address_space)}): ${join(", ", local.outside)}."
    }
  }
}

# No rule of its own: Azure's last ones let in what comes from the network itself, and nothing from the internet.
resource "azurerm_network_security_group" "this" {
  for_each = var.subnets

  name                = "nsg-${each.key}"
  location            = var.location
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_subnet" "this" {
  for_each = var.subnets

  name                              = each.key
  resource_group_name               = var.resource_group_name
  virtual_network_name              = azurerm_virtual_network.this.name
  address_prefixes                  = [each.value.cidr]
  default_outbound_access_enabled   = false
  private_endpoint_network_policies = "Enabled"
}

resource "azurerm_subnet_network_security_group_association" "this" {
  for_each = var.subnets

  network_security_group_id = azurerm_network_security_group.this[each.key].id
  subnet_id                 = azurerm_subnet.this[each.key].id
}

resource "azurerm_private_dns_zone" "this" {
  for_each = var.dns_zones

  name                = each.key
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each = local.links

  name                 = each.value.name
  private_dns_zone_id  = azurerm_private_dns_zone.this[each.value.zone].id
  virtual_network_id   = each.value.network
  registration_enabled = false
  tags                 = var.tags
}
