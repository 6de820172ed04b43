# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  address_space       = ["10.90.0.0/24"]
  location            = "westeurope"
  name                = "vnet-flights-dev"
  resource_group_name = "rg-flights-dev"
  subnets             = { endpoints = { cidr = "10.90.0.0/26" } }
}

run "range_that_is_none" {
  command = plan

  variables {
    address_space = ["10.90.0.0"]
  }

  expect_failures = [var.address_space]
}

run "range_off_its_mask" {
  command = plan

  variables {
    address_space = ["10.90.0.1/24"]
  }

  expect_failures = [var.address_space]
}

run "zone_of_another_kind" {
  command = plan

  variables {
    dns_zones = ["blob.core.windows.net"]
  }

  expect_failures = [var.dns_zones]
}

run "network_of_another_kind" {
  command = plan

  variables {
    linked_networks = {
      hub = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/endpoints"
    }
  }

  expect_failures = [var.linked_networks]
}

run "network_called_own" {
  command = plan

  variables {
    linked_networks = {
      own = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"
    }
  }

  expect_failures = [var.linked_networks]
}

run "name_of_one_letter" {
  command = plan

  variables {
    name = "v"
  }

  expect_failures = [var.name]
}

run "subnet_with_a_space" {
  command = plan

  variables {
    subnets = { "end points" = { cidr = "10.90.0.0/26" } }
  }

  expect_failures = [var.subnets]
}

run "subnet_too_small" {
  command = plan

  variables {
    subnets = { endpoints = { cidr = "10.90.0.0/30" } }
  }

  expect_failures = [var.subnets]
}

run "ranges_that_overlap" {
  command = plan

  variables {
    address_space = ["10.90.0.0/24", "10.90.0.0/16"]
  }

  expect_failures = [azurerm_virtual_network.this]
}

run "subnets_that_overlap" {
  command = plan

  variables {
    subnets = { endpoints = { cidr = "10.90.0.0/26" }, others = { cidr = "10.90.0.32/27" } }
  }

  expect_failures = [azurerm_virtual_network.this]
}

run "subnet_outside" {
  command = plan

  variables {
    subnets = { endpoints = { cidr = "10.91.0.0/26" } }
  }

  expect_failures = [azurerm_virtual_network.this]
}
