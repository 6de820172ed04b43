mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  identity_id  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-flights-dev-jobs"
  location     = "westeurope"
  tenant_id    = "00000000-0000-0000-0000-0000000000aa"
  workspace_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.MachineLearningServices/workspaces/mlw-flights-dev"
}

run "costs_nothing_when_idle" {
  command = plan

  variables {
    clusters = { cpu = { vm_size = "Standard_DS3_v2" } }
  }

  assert {
    condition     = azurerm_machine_learning_compute_cluster.this["cpu"].scale_settings[0].min_node_count == 0 && azurerm_machine_learning_compute_cluster.this["cpu"].scale_settings[0].scale_down_nodes_after_idle_duration == "PT15M"
    error_message = "A cluster of which nothing is said keeps nodes."
  }

  assert {
    condition     = !azurerm_machine_learning_compute_cluster.this["cpu"].local_auth_enabled && !azurerm_machine_learning_compute_cluster.this["cpu"].ssh_public_access_enabled
    error_message = "There is a way in without Entra."
  }

  assert {
    condition     = output.computes == { cpu = { id = azurerm_machine_learning_compute_cluster.this["cpu"].id, kind = "cluster", low_priority = false, max_nodes = 4, min_nodes = 0, vm_size = "Standard_DS3_v2" } }
    error_message = "What is said of the cluster is not what it is."
  }
}

run "is_cheap_and_always_on_when_told" {
  command = plan

  variables {
    clusters = {
      cheap = { low_priority = true, vm_size = "Standard_DS3_v2" }
      warm  = { always_on = true, idle = "PT1H30M", nodes = { max = 3, min = 1 }, vm_size = "Standard_DS3_v2" }
    }
  }

  assert {
    condition     = azurerm_machine_learning_compute_cluster.this["cheap"].vm_priority == "LowPriority" && azurerm_machine_learning_compute_cluster.this["warm"].vm_priority == "Dedicated"
    error_message = "Priorities are mixed up."
  }

  assert {
    condition     = azurerm_machine_learning_compute_cluster.this["warm"].scale_settings[0].min_node_count == 1
    error_message = "A cluster that is to stay goes."
  }
}

run "has_no_public_address_in_a_managed_network" {
  command = plan

  variables {
    clusters        = { cpu = { vm_size = "Standard_DS3_v2" } }
    instances       = { anna = { user_object_id = "00000000-0000-0000-0000-0000000000e1" } }
    managed_network = true
    public_ips      = false
  }

  assert {
    condition     = !azurerm_machine_learning_compute_cluster.this["cpu"].node_public_ip_enabled && !azurerm_machine_learning_compute_instance.this["anna"].node_public_ip_enabled
    error_message = "A node has a public address."
  }
}

run "is_in_a_subnet_of_yours" {
  command = plan

  variables {
    clusters   = { cpu = { subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/compute", vm_size = "Standard_DS3_v2" } }
    public_ips = false
  }

  assert {
    condition     = azurerm_machine_learning_compute_cluster.this["cpu"].subnet_resource_id == var.clusters.cpu.subnet_id
    error_message = "The cluster is somewhere else."
  }
}

run "gives_a_machine_to_one_person" {
  command = plan

  variables {
    instances = { anna = { user_object_id = "00000000-0000-0000-0000-0000000000e1" } }
  }

  assert {
    condition     = azurerm_machine_learning_compute_instance.this["anna"].assign_to_user[0] == { object_id = "00000000-0000-0000-0000-0000000000e1", tenant_id = var.tenant_id }
    error_message = "The machine is another's."
  }

  assert {
    condition     = length(azurerm_machine_learning_compute_instance.this["anna"].identity) == 0
    error_message = "With an identity it would not shut down when idle."
  }
}

run "tells_on_what_azurerm_cannot_do" {
  command = plan

  variables {
    instances = {
      anna = {
        idle_shutdown  = "PT30M"
        schedules      = { evening = { action = "stop", cron = "0 19 * * 1-5" } }
        user_object_id = "00000000-0000-0000-0000-0000000000e1"
      }
      bert = { user_object_id = "00000000-0000-0000-0000-0000000000e2" }
    }
    kubernetes = { k8s = { cluster_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-k8s/providers/Microsoft.ContainerService/managedClusters/aks" } }
  }

  assert {
    condition     = output.computes["anna"].idle_shutdown == "PT30M" && output.computes["anna"].schedules["evening"] == { action = "stop", cron = "0 19 * * 1-5", time_zone = "UTC" }
    error_message = "When Anna's machine stops is not told on."
  }

  assert {
    condition     = output.computes["bert"].idle_shutdown == null && output.computes["bert"].schedules == null
    error_message = "Of Bert's machine nothing is said, and something is told on."
  }

  assert {
    condition     = output.kubernetes["k8s"].namespace == "default" && output.kubernetes["k8s"].instance_type == null
    error_message = "The cluster is not told on as it is."
  }
}
