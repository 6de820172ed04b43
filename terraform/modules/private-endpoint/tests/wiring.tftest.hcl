mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  location            = "westeurope"
  resource_group_name = "rg-flights-dev"
  dns_zone_ids = {
    "privatelink.api.azureml.ms"        = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Network/privateDnsZones/privatelink.api.azureml.ms"
    "privatelink.blob.core.windows.net" = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
    "privatelink.notebooks.azure.net"   = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Network/privateDnsZones/privatelink.notebooks.azure.net"
  }
  name        = "pep-flights-prod-workspace"
  resource_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.MachineLearningServices/workspaces/mlw-flights-dev"
  subnet_id   = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/endpoints"
  subresource = "amlworkspace"
}

run "is_found_in_both_zones_of_a_workspace" {
  command = plan

  assert {
    condition     = azurerm_private_endpoint.this.private_dns_zone_group[0].private_dns_zone_ids == tolist([var.dns_zone_ids["privatelink.api.azureml.ms"], var.dns_zone_ids["privatelink.notebooks.azure.net"]])
    error_message = "A zone is missing, or one has names that do not belong there."
  }

  assert {
    condition     = azurerm_private_endpoint.this.private_service_connection[0].subresource_names == tolist(["amlworkspace"]) && !azurerm_private_endpoint.this.private_service_connection[0].is_manual_connection
    error_message = "Another part gets the address, or somebody has to approve it."
  }
}
