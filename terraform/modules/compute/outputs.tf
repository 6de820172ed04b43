output "computes" {
  description = "Computes by name: kind (cluster or instance), size, and for a cluster how few and how many nodes."
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
        kind           = "instance"
        user_object_id = var.instances[name].user_object_id
        vm_size        = instance.virtual_machine_size
      }
    },
  )
}
