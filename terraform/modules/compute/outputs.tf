output "computes" {
  description = "Computes by name: kind (cluster or instance), size, for a cluster how few and how many nodes, and for an instance when it is to start and stop."
  value = merge(
    {
      for name, cluster in azurerm_machine_learning_compute_cluster.this : name => {
        id           = cluster.id
        kind         = "cluster"
        low_priority = cluster.vm_priority == "LowPriority"
        max_nodes    = var.clusters[name].nodes.max
        min_nodes    = var.clusters[name].nodes.min
        vm_size      = cluster.vm_size
      }
    },
    {
      for name, instance in azurerm_machine_learning_compute_instance.this : name => {
        id             = instance.id
        idle_shutdown  = var.instances[name].idle_shutdown
        kind           = "instance"
        schedules      = var.instances[name].schedules
        user_object_id = var.instances[name].user_object_id
        vm_size        = instance.virtual_machine_size
      }
    },
  )
}

output "kubernetes" {
  description = "Kubernetes clusters by the name that jobs use, for 'mlops stage configure' to attach."
  value       = var.kubernetes
}
