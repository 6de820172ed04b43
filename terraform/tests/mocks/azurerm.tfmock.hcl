# Ids in Azure's own shapes: what takes one looks at it, and a made-up word would be refused there.

mock_resource "azurerm_application_insights" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Insights/components/appi-flights-dev"
  }
}

mock_resource "azurerm_container_registry" {
  defaults = {
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.ContainerRegistry/registries/crflightsdev1a2b3c"
    login_server = "crflightsdev1a2b3c.azurecr.io"
  }
}

mock_resource "azurerm_key_vault" {
  defaults = {
    id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.KeyVault/vaults/kv-flightsdev-1a2b3c"
    vault_uri = "https://kv-flightsdev-1a2b3c.vault.azure.net/"
  }
}

mock_resource "azurerm_log_analytics_workspace" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.OperationalInsights/workspaces/log-flights-dev"
  }
}

mock_resource "azurerm_machine_learning_compute_cluster" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.MachineLearningServices/workspaces/mlw-flights-dev/computes/cpu"
  }
}

mock_resource "azurerm_machine_learning_compute_instance" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.MachineLearningServices/workspaces/mlw-flights-dev/computes/anna"
  }
}

mock_resource "azurerm_machine_learning_datastore_blobstorage" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.MachineLearningServices/workspaces/mlw-flights-dev/dataStores/raw"
  }
}

mock_resource "azurerm_machine_learning_datastore_datalake_gen2" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.MachineLearningServices/workspaces/mlw-flights-dev/dataStores/lake"
  }
}

mock_resource "azurerm_machine_learning_datastore_fileshare" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.MachineLearningServices/workspaces/mlw-flights-dev/dataStores/share"
  }
}

mock_resource "azurerm_machine_learning_workspace" {
  defaults = {
    discovery_url = "https://westeurope.api.azureml.ms/discovery"
    id            = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.MachineLearningServices/workspaces/mlw-flights-dev"
    workspace_id  = "00000000-0000-0000-0000-000000000002"
  }
}

mock_resource "azurerm_management_lock" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Storage/storageAccounts/stflightsdev1a2b3c/providers/Microsoft.Authorization/locks/no-delete"
  }
}

mock_resource "azurerm_monitor_action_group" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Insights/actionGroups/ag-flights-dev"
  }
}

mock_resource "azurerm_network_security_group" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Network/networkSecurityGroups/nsg-endpoints"
  }
}

mock_resource "azurerm_private_dns_zone" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
  }
}

mock_resource "azurerm_private_endpoint" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Network/privateEndpoints/pep-flights-dev-blob"
  }
}

mock_resource "azurerm_resource_group" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev"
  }
}

mock_resource "azurerm_storage_account" {
  defaults = {
    id                    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Storage/storageAccounts/stflightsdev1a2b3c"
    primary_blob_endpoint = "https://stflightsdev1a2b3c.blob.core.windows.net/"
  }
}

mock_resource "azurerm_storage_container" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Storage/storageAccounts/stflightsdev1a2b3c/blobServices/default/containers/raw"
  }
}

mock_resource "azurerm_subnet" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Network/virtualNetworks/vnet-flights-dev/subnets/endpoints"
  }
}

mock_resource "azurerm_user_assigned_identity" {
  defaults = {
    client_id    = "00000000-0000-0000-0000-0000000000a1"
    id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-flights-dev-jobs"
    principal_id = "00000000-0000-0000-0000-0000000000a2"
  }
}

mock_resource "azurerm_virtual_network" {
  defaults = {
    id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Network/virtualNetworks/vnet-flights-dev"
  }
}
