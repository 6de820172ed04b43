# A private address for one part of one resource, and the names by which it is found.

locals {
  # What each kind of resource offers, and in which zones its private names are looked up.
  zones = {
    amlworkspace = ["privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"]
    blob         = ["privatelink.blob.core.windows.net"]
    dfs          = ["privatelink.dfs.core.windows.net"]
    file         = ["privatelink.file.core.windows.net"]
    queue        = ["privatelink.queue.core.windows.net"]
    registry     = ["privatelink.azurecr.io"]
    table        = ["privatelink.table.core.windows.net"]
    vault        = ["privatelink.vaultcore.azure.net"]
  }
  patterns = {
    subnet = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.Network/virtualNetworks/[^/]+/subnets/[^/]+$"
    zone   = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.Network/privateDnsZones/[^/]+$"
  }
}

resource "azurerm_private_endpoint" "this" {
  name                          = var.name
  location                      = var.location
  resource_group_name           = var.resource_group_name
  subnet_id                     = var.subnet_id
  custom_network_interface_name = "${var.name}-nic"
  tags                          = var.tags

  private_service_connection {
    name                           = var.name
    is_manual_connection           = false
    private_connection_resource_id = var.resource_id
    subresource_names              = [var.subresource]
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [for zone in local.zones[var.subresource] : var.dns_zone_ids[zone]]
  }
}
