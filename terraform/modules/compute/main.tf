# What jobs run on (clusters) and what people work on (instances).

locals {
  patterns = {
    cluster    = "^[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]$"
    cron       = "^[0-9*,/-]+( [0-9A-Za-z*,/-]+){4}$"
    duration   = "^P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+S)?)?$"
    guid       = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
    instance   = "^[a-zA-Z][a-zA-Z0-9-]{2,22}[a-zA-Z0-9]$"
    kubernetes = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/(Microsoft\\.ContainerService/managedClusters|Microsoft\\.Kubernetes/connectedClusters)/[^/]+$"
    namespace  = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
    size       = "^Standard_[A-Za-z0-9_-]+$"
    subnet     = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.Network/virtualNetworks/[^/]+/subnets/[^/]+$"
  }
}

resource "azurerm_machine_learning_compute_cluster" "this" {
  for_each = var.clusters

  name                          = each.key
  location                      = var.location
  machine_learning_workspace_id = var.workspace_id
  description                   = each.value.description
  vm_size                       = each.value.vm_size
  vm_priority                   = each.value.low_priority ? "LowPriority" : "Dedicated"
  local_auth_enabled            = false
  ssh_public_access_enabled     = false
  node_public_ip_enabled        = var.public_ips
  subnet_resource_id            = each.value.subnet_id
  tags                          = var.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity_id]
  }

  scale_settings {
    min_node_count                       = each.value.nodes.min
    max_node_count                       = each.value.nodes.max
    scale_down_nodes_after_idle_duration = each.value.idle
  }
}

# No identity: its user's is what counts, and one that is not Contributor on the workspace would keep it from shutting down
# when idle.
resource "azurerm_machine_learning_compute_instance" "this" {
  for_each = var.instances

  name                          = each.key
  machine_learning_workspace_id = var.workspace_id
  description                   = each.value.description
  virtual_machine_size          = each.value.vm_size
  authorization_type            = "personal"
  local_auth_enabled            = false
  node_public_ip_enabled        = var.public_ips
  subnet_resource_id            = each.value.subnet_id
  tags                          = var.tags

  assign_to_user {
    object_id = each.value.user_object_id
    tenant_id = var.tenant_id
  }

  lifecycle {
    # The provider knows no update: another tag would be another machine, without what its user had on it.
    ignore_changes = [tags]
  }
}
