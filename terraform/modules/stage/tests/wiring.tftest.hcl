mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  location        = "westeurope"
  people          = { data_scientists = "00000000-0000-0000-0000-0000000000d1", readers = "00000000-0000-0000-0000-0000000000d2" }
  project         = "flights"
  stage           = "dev"
  subscription_id = "00000000-0000-0000-0000-000000000001"
  tenant_id       = "00000000-0000-0000-0000-0000000000aa"
}

run "tells_all_that_the_contract_wants" {
  command = plan

  assert {
    condition     = output.aml.schema_version == 1 && keys(output.aml.computes) == ["cpu"] && keys(output.aml.datastores) == ["raw"] && keys(output.aml.identities) == ["jobs", "workspace"]
    error_message = "The contract lacks something."
  }

  assert {
    condition     = output.aml.registry.login_server != null && output.aml.networking == { isolation_mode = "Disabled", mode = "public", public_network_access = true }
    error_message = "The registry or the network is told otherwise than it is."
  }

  assert {
    condition     = output.network_id == null
    error_message = "A public stage has a network."
  }
}

run "is_private_as_a_whole" {
  command = plan

  # A mock gives all zones one id, and an endpoint looks at which zone it is.
  override_module {
    target = module.network
    outputs = {
      dns_zone_ids = {
        "privatelink.api.azureml.ms"         = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/privateDnsZones/privatelink.api.azureml.ms"
        "privatelink.azurecr.io"             = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/privateDnsZones/privatelink.azurecr.io"
        "privatelink.blob.core.windows.net"  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
        "privatelink.dfs.core.windows.net"   = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/privateDnsZones/privatelink.dfs.core.windows.net"
        "privatelink.file.core.windows.net"  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/privateDnsZones/privatelink.file.core.windows.net"
        "privatelink.notebooks.azure.net"    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/privateDnsZones/privatelink.notebooks.azure.net"
        "privatelink.queue.core.windows.net" = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/privateDnsZones/privatelink.queue.core.windows.net"
        "privatelink.table.core.windows.net" = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/privateDnsZones/privatelink.table.core.windows.net"
        "privatelink.vaultcore.azure.net"    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"
      }
      id         = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/virtualNetworks/vnet-flights-prod"
      subnet_ids = { endpoints = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-prod/providers/Microsoft.Network/virtualNetworks/vnet-flights-prod/subnets/endpoints" }
    }
  }

  variables {
    image_build_compute = "cpu"
    networking          = { isolation_mode = "AllowInternetOutbound", mode = "private" }
    registry            = { sku = "Premium" }
    stage               = "prod"
  }

  assert {
    condition     = sort(keys(module.private_endpoint)) == tolist(["blob", "data-blob", "file", "registry", "vault", "workspace"]) && !output.aml.networking.public_network_access
    error_message = "Something of a private stage has no private address."
  }

  assert {
    condition     = output.network_id != null
    error_message = "A private stage of which no network is told makes none."
  }
}

run "does_without_registry_compute_and_accounts" {
  command = plan

  variables {
    clusters      = {}
    data_accounts = {}
    datastores    = { raw = { storage_id = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub/blobServices/default/containers/raw" } }
    registry      = { mode = "none" }
  }

  assert {
    condition     = output.aml.registry == null && output.aml.computes == {} && output.aml.datastores.raw.account == "sthub"
    error_message = "Something is told that is not there."
  }
}
