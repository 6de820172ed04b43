variable "clusters" {
  description = "Compute clusters by the name that jobs use. nodes: how few and how many; a cluster that keeps nodes when idle (min above 0) says so with always_on, as it costs day and night. idle: how long a node waits for the next job, as ISO 8601 writes it. low_priority: cheaper, and taken away when others need it. subnet_id: a subnet of yours, where no managed network is."
  type = map(object({
    always_on    = optional(bool, false)
    description  = optional(string)
    idle         = optional(string, "PT15M")
    low_priority = optional(bool, false)
    nodes        = optional(object({ max = optional(number, 4), min = optional(number, 0) }), {})
    subnet_id    = optional(string)
    vm_size      = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name, cluster in var.clusters : can(regex(local.patterns.cluster, name))])
    error_message = "A cluster's name has 3 to 32 letters, digits and '-', a letter first and no '-' last; not so: ${join(", ", [for name, cluster in var.clusters : name if !can(regex(local.patterns.cluster, name))])}."
  }

  validation {
    condition     = alltrue([for cluster in var.clusters : can(regex(local.patterns.size, cluster.vm_size))])
    error_message = "A vm_size is written like Standard_DS3_v2; not so in: ${join(", ", [for name, cluster in var.clusters : "${name} = ${cluster.vm_size}" if !can(regex(local.patterns.size, cluster.vm_size))])}."
  }

  validation {
    condition     = alltrue([for cluster in var.clusters : cluster.nodes.min >= 0 && cluster.nodes.min <= cluster.nodes.max && cluster.nodes.max >= 1])
    error_message = "nodes.min is 0 to nodes.max, and that is 1 or more; not so in: ${join(", ", [for name, cluster in var.clusters : "${name} (${cluster.nodes.min} to ${cluster.nodes.max})" if !(cluster.nodes.min >= 0 && cluster.nodes.min <= cluster.nodes.max && cluster.nodes.max >= 1)])}."
  }

  validation {
    condition     = alltrue([for cluster in var.clusters : cluster.nodes.min == floor(cluster.nodes.min) && cluster.nodes.max == floor(cluster.nodes.max)])
    error_message = "Nodes are whole; not so in: ${join(", ", [for name, cluster in var.clusters : name if cluster.nodes.min != floor(cluster.nodes.min) || cluster.nodes.max != floor(cluster.nodes.max)])}."
  }

  validation {
    condition     = alltrue([for cluster in var.clusters : cluster.always_on == (cluster.nodes.min > 0)])
    error_message = "always_on goes with nodes.min above 0, as such a cluster costs day and night; not so in: ${join(", ", [for name, cluster in var.clusters : "${name} (always_on = ${cluster.always_on}, nodes.min = ${cluster.nodes.min})" if cluster.always_on != (cluster.nodes.min > 0)])}."
  }

  validation {
    condition     = alltrue([for cluster in var.clusters : can(regex(local.patterns.duration, cluster.idle)) && can(regex("[0-9]", cluster.idle)) && !endswith(cluster.idle, "T")])
    error_message = "idle is an ISO 8601 duration like PT15M or PT1H30M; not so in: ${join(", ", [for name, cluster in var.clusters : "${name} = ${cluster.idle}" if !(can(regex(local.patterns.duration, cluster.idle)) && can(regex("[0-9]", cluster.idle)) && !endswith(cluster.idle, "T"))])}."
  }

  validation {
    condition     = alltrue([for cluster in var.clusters : cluster.subnet_id == null ? true : can(regex(local.patterns.subnet, cluster.subnet_id))])
    error_message = "subnet_id is no subnet in: ${join(", ", [for name, cluster in var.clusters : name if cluster.subnet_id == null ? false : !can(regex(local.patterns.subnet, cluster.subnet_id))])}."
  }

  validation {
    condition     = !var.managed_network || alltrue([for cluster in var.clusters : cluster.subnet_id == null])
    error_message = "A managed network takes no cluster with a subnet_id of its own: ${join(", ", [for name, cluster in var.clusters : name if cluster.subnet_id != null])}."
  }

  validation {
    condition     = var.public_ips || var.managed_network || alltrue([for cluster in var.clusters : cluster.subnet_id != null])
    error_message = "A cluster without public addresses is in a managed network or has a subnet_id; neither is so for: ${join(", ", [for name, cluster in var.clusters : name if cluster.subnet_id == null])}."
  }
}

variable "identity_id" {
  description = "User-assigned identity that jobs on the clusters sign in as."
  type        = string
  nullable    = false
}

variable "instances" {
  description = "Compute instances by name, which is unique in the region: a machine for one person each, who is told by the object id in Entra. Any change makes another machine. azurerm knows neither idle_shutdown (after how long without work it stops, as ISO 8601 writes it) nor schedules (when it starts and stops: a cron expression, in a time zone that Windows names), so they are only told on, and 'mlops stage configure' sets them; null: as its user sets it in the studio."
  type = map(object({
    description   = optional(string)
    idle_shutdown = optional(string)
    schedules = optional(map(object({
      action    = string
      cron      = string
      time_zone = optional(string, "UTC")
    })))
    subnet_id      = optional(string)
    user_object_id = string
    vm_size        = optional(string, "Standard_DS3_v2")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name, instance in var.instances : can(regex(local.patterns.instance, name))])
    error_message = "An instance's name has 4 to 24 letters, digits and '-', a letter first and no '-' last; not so: ${join(", ", [for name, instance in var.instances : name if !can(regex(local.patterns.instance, name))])}."
  }

  validation {
    condition     = length(setintersection([for name in keys(var.clusters) : lower(name)], [for name in keys(var.instances) : lower(name)])) == 0
    error_message = "Clusters and instances share one set of names; twice: ${join(", ", setintersection([for name in keys(var.clusters) : lower(name)], [for name in keys(var.instances) : lower(name)]))}."
  }

  validation {
    condition     = alltrue([for instance in var.instances : instance.idle_shutdown == null ? true : can(regex(local.patterns.duration, instance.idle_shutdown)) && can(regex("[0-9]", instance.idle_shutdown)) && !endswith(instance.idle_shutdown, "T")])
    error_message = "idle_shutdown is an ISO 8601 duration like PT30M; not so in: ${join(", ", [for name, instance in var.instances : "${name} = ${instance.idle_shutdown}" if instance.idle_shutdown == null ? false : !(can(regex(local.patterns.duration, instance.idle_shutdown)) && can(regex("[0-9]", instance.idle_shutdown)) && !endswith(instance.idle_shutdown, "T"))])}."
  }

  validation {
    condition     = alltrue([for instance in var.instances : instance.schedules == null ? true : length(instance.schedules) <= 4])
    error_message = "An instance has four schedules at most; more has: ${join(", ", [for name, instance in var.instances : name if instance.schedules == null ? false : length(instance.schedules) > 4])}."
  }

  validation {
    condition     = alltrue(flatten([for instance in var.instances : [for schedule in coalesce(instance.schedules, {}) : contains(["start", "stop"], schedule.action)]]))
    error_message = "A schedule's action is start or stop; not so in: ${join(", ", flatten([for name, instance in var.instances : [for key, schedule in coalesce(instance.schedules, {}) : "${name}.${key} = ${schedule.action}" if !contains(["start", "stop"], schedule.action)]]))}."
  }

  validation {
    condition     = alltrue(flatten([for instance in var.instances : [for schedule in coalesce(instance.schedules, {}) : can(regex(local.patterns.cron, schedule.cron))]]))
    error_message = "A cron expression has five fields, as in \"0 19 * * 1-5\"; not so in: ${join(", ", flatten([for name, instance in var.instances : [for key, schedule in coalesce(instance.schedules, {}) : "${name}.${key} = ${schedule.cron}" if !can(regex(local.patterns.cron, schedule.cron))]]))}."
  }

  validation {
    condition     = alltrue([for instance in var.instances : can(regex(local.patterns.guid, instance.user_object_id))])
    error_message = "user_object_id is the GUID that Entra has for a person; not so in: ${join(", ", [for name, instance in var.instances : "${name} = ${instance.user_object_id}" if !can(regex(local.patterns.guid, instance.user_object_id))])}."
  }

  validation {
    condition     = alltrue([for instance in var.instances : can(regex(local.patterns.size, instance.vm_size))])
    error_message = "A vm_size is written like Standard_DS3_v2; not so in: ${join(", ", [for name, instance in var.instances : "${name} = ${instance.vm_size}" if !can(regex(local.patterns.size, instance.vm_size))])}."
  }

  validation {
    condition     = alltrue([for instance in var.instances : instance.subnet_id == null ? true : can(regex(local.patterns.subnet, instance.subnet_id)) && !var.managed_network])
    error_message = "subnet_id is no subnet, or a managed network is in its place, in: ${join(", ", [for name, instance in var.instances : name if instance.subnet_id == null ? false : !(can(regex(local.patterns.subnet, instance.subnet_id)) && !var.managed_network)])}."
  }

  validation {
    condition     = var.public_ips || var.managed_network || alltrue([for instance in var.instances : instance.subnet_id != null])
    error_message = "An instance without a public address is in a managed network or has a subnet_id; neither is so for: ${join(", ", [for name, instance in var.instances : name if instance.subnet_id == null])}."
  }
}

variable "kubernetes" {
  description = "Kubernetes clusters that jobs run on, by the name that jobs use: AKS or Azure Arc, with Azure ML's extension. cluster_id: the cluster's resource id; namespace: where jobs run in it; instance_type: which of its instance types jobs get, null for its default. azurerm cannot attach them, so they are only told on: 'mlops stage configure' does."
  type = map(object({
    cluster_id    = string
    instance_type = optional(string)
    namespace     = optional(string, "default")
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name, cluster in var.kubernetes : can(regex(local.patterns.cluster, name))])
    error_message = "The name of a Kubernetes compute has 3 to 32 letters, digits and '-', a letter first and no '-' last; not so: ${join(", ", [for name, cluster in var.kubernetes : name if !can(regex(local.patterns.cluster, name))])}."
  }

  validation {
    condition     = length(setintersection([for name in keys(var.kubernetes) : lower(name)], [for name in concat(keys(var.clusters), keys(var.instances)) : lower(name)])) == 0
    error_message = "Computes share one set of names; twice: ${join(", ", setintersection([for name in keys(var.kubernetes) : lower(name)], [for name in concat(keys(var.clusters), keys(var.instances)) : lower(name)]))}."
  }

  validation {
    condition     = alltrue([for cluster in var.kubernetes : can(regex(local.patterns.kubernetes, cluster.cluster_id))])
    error_message = "cluster_id is the resource id of an AKS or Azure Arc cluster; not so in: ${join(", ", [for name, cluster in var.kubernetes : "${name} = ${cluster.cluster_id}" if !can(regex(local.patterns.kubernetes, cluster.cluster_id))])}."
  }

  validation {
    condition     = alltrue([for cluster in var.kubernetes : can(regex(local.patterns.namespace, cluster.namespace))])
    error_message = "A namespace has up to 63 small letters, digits and '-'; not so in: ${join(", ", [for name, cluster in var.kubernetes : "${name} = ${cluster.namespace}" if !can(regex(local.patterns.namespace, cluster.namespace))])}."
  }
}

variable "location" {
  description = "Region of the clusters; instances are where the workspace is."
  type        = string
  nullable    = false
}

variable "managed_network" {
  description = "Whether the workspace keeps a network for the computes (an isolation mode other than Disabled)."
  type        = bool
  default     = false
  nullable    = false
}

variable "public_ips" {
  description = "Whether nodes have public addresses."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags of clusters, and of instances when they are made."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "tenant_id" {
  description = "Entra tenant of the people whom instances are for."
  type        = string
  nullable    = false
}

variable "workspace_id" {
  description = "Workspace that the computes belong to."
  type        = string
  nullable    = false
}
