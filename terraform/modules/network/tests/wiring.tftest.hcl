mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  location            = "westeurope"
  resource_group_name = "rg-flights-dev"
  address_space       = ["10.90.0.0/24"]
  dns_zones           = ["privatelink.blob.core.windows.net", "privatelink.vaultcore.azure.net"]
  name                = "vnet-flights-prod"
  subnets             = { endpoints = { cidr = "10.90.0.0/26" }, others = { cidr = "10.90.0.64/26" } }
}

run "keeps_the_internet_out_both_ways" {
  command = plan

  assert {
    condition     = alltrue([for subnet in azurerm_subnet.this : !subnet.default_outbound_access_enabled]) && keys(azurerm_subnet_network_security_group_association.this) == ["endpoints", "others"]
    error_message = "A subnet has a way out by itself, or no security group."
  }

  assert {
    condition     = keys(output.subnet_ids) == ["endpoints", "others"] && keys(output.dns_zone_ids) == ["privatelink.blob.core.windows.net", "privatelink.vaultcore.azure.net"]
    error_message = "A subnet or a zone is not told."
  }
}

run "lets_a_hub_find_the_names" {
  command = plan

  variables {
    linked_networks = { hub = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub" }
  }

  assert {
    condition     = keys(azurerm_private_dns_zone_virtual_network_link.this) == ["privatelink.blob.core.windows.net/hub", "privatelink.blob.core.windows.net/own", "privatelink.vaultcore.azure.net/hub", "privatelink.vaultcore.azure.net/own"]
    error_message = "A zone is not linked to each network."
  }
}
