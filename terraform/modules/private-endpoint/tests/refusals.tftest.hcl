# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  dns_zone_ids = {
    "privatelink.blob.core.windows.net" = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
  }
  location            = "westeurope"
  name                = "pep-flights-dev-blob"
  resource_group_name = "rg-flights-dev"
  resource_id         = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub"
  subnet_id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/endpoints"
  subresource         = "blob"
}

run "zone_that_is_missing" {
  command = plan

  variables {
    subresource = "file"
  }

  expect_failures = [var.dns_zone_ids]
}

run "zone_of_another_name" {
  command = plan

  variables {
    dns_zone_ids = {
      "privatelink.blob.core.windows.net" = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/privateDnsZones/privatelink.file.core.windows.net"
    }
  }

  expect_failures = [var.dns_zone_ids]
}

run "name_with_a_space" {
  command = plan

  variables {
    name = "pep flights"
  }

  expect_failures = [var.name]
}

run "network_for_a_subnet" {
  command = plan

  variables {
    subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"
  }

  expect_failures = [var.subnet_id]
}

run "unknown_part" {
  command = plan

  variables {
    subresource = "blobs"
  }

  expect_failures = [var.subresource]
}
