# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  location        = "westeurope"
  project         = "flights"
  stage           = "dev"
  subscription_id = "00000000-0000-0000-0000-000000000001"
  tenant_id       = "00000000-0000-0000-0000-000000000001"
}

run "no_cpu" {
  command = plan

  variables {
    clusters = { gpu = { vm_size = "Standard_NC4as_T4_v3" } }
  }

  expect_failures = [var.clusters]
}

run "key_without_a_version" {
  command = plan

  variables {
    customer_managed_key = {
      key_id       = "https://kv-hub.vault.azure.net/keys/cmk"
      key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
    }
    registry = { sku = "Premium" }
  }

  expect_failures = [var.customer_managed_key]
}

run "key_in_no_vault" {
  command = plan

  variables {
    customer_managed_key = {
      key_id       = "https://kv-hub.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
      key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub"
    }
    registry = { sku = "Premium" }
  }

  expect_failures = [var.customer_managed_key]
}

run "key_in_another_vault" {
  command = plan

  variables {
    customer_managed_key = {
      key_id       = "https://kv-hub.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
      key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-other"
    }
    registry = { sku = "Premium" }
  }

  expect_failures = [var.customer_managed_key]
}

run "key_with_a_standard_registry" {
  command = plan

  variables {
    customer_managed_key = {
      key_id       = "https://kv-hub.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
      key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
    }
  }

  expect_failures = [var.customer_managed_key]
}

run "account_key_with_a_hyphen" {
  command = plan

  variables {
    data_accounts = { data = {}, the-lake = {} }
  }

  expect_failures = [var.data_accounts]
}

run "no_raw" {
  command = plan

  variables {
    datastores = { clean = { account = "data" } }
  }

  expect_failures = [var.datastores]
}

run "unknown_access" {
  command = plan

  variables {
    datastores = { raw = { access = "append", account = "data" } }
  }

  expect_failures = [var.datastores]
}

run "datastore_in_two_places" {
  command = plan

  variables {
    datastores = {
      raw = {
        account    = "data"
        storage_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub/blobServices/default/containers/raw"
      }
    }
  }

  expect_failures = [var.datastores]
}

run "datastore_in_an_unknown_account" {
  command = plan

  variables {
    datastores = { raw = { account = "lake" } }
  }

  expect_failures = [var.datastores]
}

run "container_told_twice" {
  command = plan

  variables {
    datastores = {
      raw = {
        container  = "raw"
        storage_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub/blobServices/default/containers/raw"
      }
    }
  }

  expect_failures = [var.datastores]
}

run "lake_without_folders" {
  command = plan

  variables {
    datastores = { raw = { account = "data", type = "adls_gen2" } }
  }

  expect_failures = [var.datastores]
}

run "file_share_without_a_key" {
  command = plan

  variables {
    datastores = { raw = { account = "data", type = "file_share" } }
  }

  expect_failures = [var.datastores]
}

run "one_container_twice" {
  command = plan

  variables {
    datastores = { copy = { account = "data", container = "raw" }, raw = { account = "data" } }
  }

  expect_failures = [var.datastores]
}

run "container_of_another_kind" {
  command = plan

  variables {
    datastores = {
      raw = {
        storage_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub"
      }
    }
  }

  expect_failures = [var.datastores]
}

run "unknown_role" {
  command = plan

  variables {
    grants = { someone = { principal_id = "00000000-0000-0000-0000-0000000000e1", role = "Owner" } }
  }

  expect_failures = [var.grants]
}

run "unknown_principal_type" {
  command = plan

  variables {
    grants = {
      someone = { principal_id = "00000000-0000-0000-0000-0000000000e1", principal_type = "Team", role = "Reader" }
    }
  }

  expect_failures = [var.grants]
}

run "images_built_by_nobody" {
  command = plan

  variables {
    image_build_compute = "gpu"
  }

  expect_failures = [var.image_build_compute]
}

run "private_registry_without_a_builder" {
  command = plan

  variables {
    image_build_compute = null
    networking          = { isolation_mode = "AllowInternetOutbound", mode = "private" }
    registry            = { sku = "Premium" }
  }

  expect_failures = [var.image_build_compute]
}

run "instance_in_prod" {
  command = plan

  variables {
    instances = { anna = { user_object_id = "00000000-0000-0000-0000-0000000000e1" } }
    stage     = "prod"
  }

  expect_failures = [var.instances]
}

run "lock_on_something_else" {
  command = plan

  variables {
    locks = { no-delete = { on = ["workspaces"] } }
  }

  expect_failures = [var.locks]
}

run "lock_on_no_registry" {
  command = plan

  variables {
    locks    = { no-delete = { on = ["registry"] } }
    registry = { mode = "none" }
  }

  expect_failures = [var.locks]
}

run "unknown_network_mode" {
  command = plan

  variables {
    networking = { mode = "secret" }
  }

  expect_failures = [var.networking]
}

run "private_without_a_network_for_computes" {
  command = plan

  variables {
    networking = { mode = "private" }
    registry   = { mode = "none" }
  }

  expect_failures = [var.networking]
}

run "unknown_network" {
  command = plan

  variables {
    networking = { network = "borrowed" }
  }

  expect_failures = [var.networking]
}

run "shared_network_without_a_subnet" {
  command = plan

  variables {
    networking = { network = "shared" }
  }

  expect_failures = [var.networking]
}

run "zones_for_an_own_network" {
  command = plan

  variables {
    networking = {
      dns_zone_ids = {
        "privatelink.blob.core.windows.net" = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
      }
    }
  }

  expect_failures = [var.networking]
}

run "addresses_for_a_private_stage" {
  command = plan

  variables {
    image_build_compute = "cpu"
    networking          = { allowed_ips = ["203.0.113.7"], isolation_mode = "AllowInternetOutbound", mode = "private" }
    registry            = { sku = "Premium" }
  }

  expect_failures = [var.networking]
}

run "unknown_resource_group_mode" {
  command = plan

  variables {
    resource_group_mode = "borrowed"
  }

  expect_failures = [var.resource_group_mode]
}

run "tag_with_a_slash" {
  command = plan

  variables {
    tags = { "cost/centre" = "42" }
  }

  expect_failures = [var.tags]
}

run "tag_of_the_stage" {
  command = plan

  variables {
    tags = { Project = "other" }
  }

  expect_failures = [var.tags]
}

run "tenant_by_name" {
  command = plan

  variables {
    tenant_id = "example.onmicrosoft.com"
  }

  expect_failures = [var.tenant_id]
}
