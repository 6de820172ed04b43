# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  identity_id  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-hub"
  location     = "westeurope"
  tenant_id    = "00000000-0000-0000-0000-000000000001"
  workspace_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.MachineLearningServices/workspaces/mlw-hub"
}

run "cluster_name_too_short" {
  command = plan

  variables {
    clusters = { c1 = { vm_size = "Standard_DS3_v2" } }
  }

  expect_failures = [var.clusters]
}

run "size_that_is_none" {
  command = plan

  variables {
    clusters = { cpu = { vm_size = "DS3_v2" } }
  }

  expect_failures = [var.clusters]
}

run "more_nodes_at_least_than_at_most" {
  command = plan

  variables {
    clusters = { cpu = { always_on = true, nodes = { max = 2, min = 3 }, vm_size = "Standard_DS3_v2" } }
  }

  expect_failures = [var.clusters]
}

run "half_a_node" {
  command = plan

  variables {
    clusters = { cpu = { nodes = { max = 2.5 }, vm_size = "Standard_DS3_v2" } }
  }

  expect_failures = [var.clusters]
}

run "nodes_that_stay_unsaid" {
  command = plan

  variables {
    clusters = { cpu = { nodes = { max = 4, min = 1 }, vm_size = "Standard_DS3_v2" } }
  }

  expect_failures = [var.clusters]
}

run "idle_that_is_no_duration" {
  command = plan

  variables {
    clusters = { cpu = { idle = "15 minutes", vm_size = "Standard_DS3_v2" } }
  }

  expect_failures = [var.clusters]
}

run "cluster_in_no_subnet" {
  command = plan

  variables {
    clusters = {
      cpu = {
        subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"
        vm_size   = "Standard_DS3_v2"
      }
    }
  }

  expect_failures = [var.clusters]
}

run "cluster_in_two_networks" {
  command = plan

  variables {
    clusters = {
      cpu = {
        subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/endpoints"
        vm_size   = "Standard_DS3_v2"
      }
    }
    managed_network = true
  }

  expect_failures = [var.clusters]
}

run "cluster_that_nothing_reaches" {
  command = plan

  variables {
    clusters   = { cpu = { vm_size = "Standard_DS3_v2" } }
    public_ips = false
  }

  expect_failures = [var.clusters]
}

run "instance_name_too_long" {
  command = plan

  variables {
    instances = { a-very-long-name-for-a-machine = { user_object_id = "00000000-0000-0000-0000-0000000000e1" } }
  }

  expect_failures = [var.instances]
}

run "one_name_for_two_computes" {
  command = plan

  variables {
    clusters  = { anna = { vm_size = "Standard_DS3_v2" } }
    instances = { Anna = { user_object_id = "00000000-0000-0000-0000-0000000000e1" } }
  }

  expect_failures = [var.instances]
}

run "user_by_name" {
  command = plan

  variables {
    instances = { anna = { user_object_id = "anna@example.com" } }
  }

  expect_failures = [var.instances]
}

run "instance_size_that_is_none" {
  command = plan

  variables {
    instances = { anna = { user_object_id = "00000000-0000-0000-0000-0000000000e1", vm_size = "large" } }
  }

  expect_failures = [var.instances]
}

run "instance_in_no_subnet" {
  command = plan

  variables {
    instances = {
      anna = {
        subnet_id      = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"
        user_object_id = "00000000-0000-0000-0000-0000000000e1"
      }
    }
  }

  expect_failures = [var.instances]
}

run "instance_that_nothing_reaches" {
  command = plan

  variables {
    instances  = { anna = { user_object_id = "00000000-0000-0000-0000-0000000000e1" } }
    public_ips = false
  }

  expect_failures = [var.instances]
}

run "idle_shutdown_that_is_no_duration" {
  command = plan

  variables {
    instances = { anna = { idle_shutdown = "30 minutes", user_object_id = "00000000-0000-0000-0000-0000000000e1" } }
  }

  expect_failures = [var.instances]
}

run "five_schedules" {
  command = plan

  variables {
    instances = {
      anna = {
        schedules      = { for hour in ["1", "2", "3", "4", "5"] : "at-${hour}" => { action = "stop", cron = "0 ${hour} * * *" } }
        user_object_id = "00000000-0000-0000-0000-0000000000e1"
      }
    }
  }

  expect_failures = [var.instances]
}

run "schedule_that_does_neither" {
  command = plan

  variables {
    instances = {
      anna = { schedules = { evening = { action = "pause", cron = "0 19 * * *" } }, user_object_id = "00000000-0000-0000-0000-0000000000e1" }
    }
  }

  expect_failures = [var.instances]
}

run "schedule_with_too_few_fields" {
  command = plan

  variables {
    instances = {
      anna = { schedules = { evening = { action = "stop", cron = "19:00" } }, user_object_id = "00000000-0000-0000-0000-0000000000e1" }
    }
  }

  expect_failures = [var.instances]
}

run "kubernetes_name_with_an_underscore" {
  command = plan

  variables {
    kubernetes = { on_prem = { cluster_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-k8s/providers/Microsoft.ContainerService/managedClusters/aks" } }
  }

  expect_failures = [var.kubernetes]
}

run "kubernetes_by_the_name_of_a_cluster" {
  command = plan

  variables {
    clusters   = { gpu = { vm_size = "Standard_DS3_v2" } }
    kubernetes = { GPU = { cluster_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-k8s/providers/Microsoft.ContainerService/managedClusters/aks" } }
  }

  expect_failures = [var.kubernetes]
}

run "kubernetes_by_name" {
  command = plan

  variables {
    kubernetes = { k8s = { cluster_id = "aks-flights" } }
  }

  expect_failures = [var.kubernetes]
}

run "namespace_in_capitals" {
  command = plan

  variables {
    kubernetes = { k8s = { cluster_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-k8s/providers/Microsoft.Kubernetes/connectedClusters/edge", namespace = "Jobs" } }
  }

  expect_failures = [var.kubernetes]
}
