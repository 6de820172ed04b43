variable "alert_emails" {
  description = "Addresses that are told of alerts and of the budget, by a name of the caller's. Owners of the subscription are told of the budget in any case."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "application_insights" {
  description = "Application Insights: gigabytes a day after which nothing more is taken, days that data are kept, share of telemetry that is kept, and whether a connection string alone may send."
  type = object({
    daily_cap_gb         = optional(number, 5)
    local_authentication = optional(bool, true)
    retention_days       = optional(number, 90)
    sampling_percentage  = optional(number, 100)
  })
  default  = {}
  nullable = false
}

variable "budgets" {
  description = "Budgets of the stage by name: an amount a month, and shares of it at which someone is told. Amounts are in the currency of the subscription."
  type = map(object({
    amount     = number
    start_date = optional(string)
    thresholds = optional(map(object({
      forecast = optional(bool, false)
      percent  = number
      })), {
      foreseen = { forecast = true, percent = 100 }
      nearly   = { percent = 80 }
      spent    = { percent = 100 }
    })
  }))
  default  = {}
  nullable = false
}

variable "clusters" {
  description = "Compute clusters by the name that jobs use, the same in every stage; cpu is one of them wherever there is any. See the module compute."
  type = map(object({
    always_on    = optional(bool, false)
    description  = optional(string)
    idle         = optional(string, "PT15M")
    low_priority = optional(bool, false)
    nodes        = optional(object({ max = optional(number, 4), min = optional(number, 0) }), {})
    subnet_id    = optional(string)
    vm_size      = string
  }))
  default  = { cpu = { vm_size = "Standard_DS3_v2" } }
  nullable = false

  validation {
    condition     = length(var.clusters) == 0 || contains(keys(var.clusters), "cpu")
    error_message = "clusters has ${join(", ", keys(var.clusters))} and lacks cpu, which pipelines of every stage run on."
  }
}

variable "customer_managed_key" {
  description = "A version of a key of yours, and its vault, that encrypt the workspace, its accounts and its own registry; service_side keeps what the workspace itself stores at Microsoft instead of a resource group of yours. null: Microsoft's keys. The vault has purge protection, is not the stage's own, and takes roles."
  type = object({
    key_id       = string
    key_vault_id = string
    service_side = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.customer_managed_key == null ? true : can(regex(local.patterns.key, var.customer_managed_key.key_id))
    error_message = "customer_managed_key.key_id is no version of a vault's key: \"${var.customer_managed_key == null ? "null" : var.customer_managed_key.key_id}\"; https://VAULT.vault.azure.net/keys/NAME/VERSION is one."
  }

  validation {
    condition     = var.customer_managed_key == null ? true : can(regex(local.patterns.vault, var.customer_managed_key.key_vault_id))
    error_message = "customer_managed_key.key_vault_id is no vault: \"${var.customer_managed_key == null ? "null" : var.customer_managed_key.key_vault_id}\"."
  }

  validation {
    condition     = var.customer_managed_key == null ? true : !can(regex(local.patterns.vault, var.customer_managed_key.key_vault_id)) ? true : lower(split(".", split("/", var.customer_managed_key.key_id)[2])[0]) == lower(reverse(split("/", var.customer_managed_key.key_vault_id))[0])
    error_message = "customer_managed_key: the key ${var.customer_managed_key == null ? "null" : var.customer_managed_key.key_id} is not in the vault ${var.customer_managed_key == null ? "null" : reverse(split("/", var.customer_managed_key.key_vault_id))[0]}."
  }

  validation {
    condition     = var.customer_managed_key == null || var.registry.mode != "own" || var.registry.sku == "Premium"
    error_message = "customer_managed_key encrypts the stage's own registry too, and that needs registry.sku Premium, not ${var.registry.sku}."
  }
}

variable "data_accounts" {
  description = "Storage accounts for the data of datastores that have no account elsewhere, by key; beside the workspace's own, so that jobs can be let read and not write."
  type = map(object({
    hierarchical_namespace = optional(bool, false)
    lifecycle_rules = optional(map(object({
      cool_after_days            = optional(number)
      delete_after_days          = optional(number)
      prefixes                   = optional(set(string), [])
      versions_delete_after_days = optional(number, 30)
    })), {})
    logged_operations = optional(set(string), ["Delete", "Write"])
    replication       = optional(string, "LRS")
    soft_delete_days  = optional(number, 14)
  }))
  default  = { data = {} }
  nullable = false

  validation {
    condition     = alltrue([for key in keys(var.data_accounts) : can(regex("^[a-z][a-z0-9]{0,15}$", key))])
    error_message = "A key of data_accounts has 1 to 16 lower-case letters and digits, a letter first; not so: ${join(", ", [for key in keys(var.data_accounts) : key if !can(regex("^[a-z][a-z0-9]{0,15}$", key))])}."
  }
}

variable "data_scientists_may" {
  description = "write: data scientists run jobs and use the computes; read: they look."
  type        = string
  default     = "read"
  nullable    = false
}

variable "datastore_keys" {
  description = "Keys of the accounts of datastores that are file shares, by datastore: azurerm has no other way to those. They are in the state then."
  type        = map(string)
  default     = {}
  nullable    = false
  sensitive   = true
}

variable "datastores" {
  description = "Datastores by name; raw is one of them, with data of production's quality. A container in one of data_accounts (account, and container when it is not called as the datastore is), or one that is there already, in any resource group or subscription (storage_id). access: what jobs may do."
  type = map(object({
    access      = optional(string, "read")
    account     = optional(string)
    container   = optional(string)
    description = optional(string)
    storage_id  = optional(string)
    type        = optional(string, "blob")
  }))
  default  = { raw = { account = "data", description = "Data of production's quality." } }
  nullable = false

  validation {
    condition     = contains(keys(var.datastores), "raw")
    error_message = "datastores has ${length(var.datastores) == 0 ? "nothing" : join(", ", keys(var.datastores))} and lacks raw, which pipelines of every stage read."
  }

  validation {
    condition     = alltrue([for datastore in var.datastores : contains(["read", "write"], datastore.access)])
    error_message = "A datastore's access is read or write; not so in: ${join(", ", [for name, datastore in var.datastores : "${name} = ${datastore.access}" if !contains(["read", "write"], datastore.access)])}."
  }

  validation {
    condition     = alltrue([for datastore in var.datastores : (datastore.account == null) != (datastore.storage_id == null)])
    error_message = "A datastore has either an account of data_accounts or a storage_id; not so: ${join(", ", [for name, datastore in var.datastores : name if(datastore.account == null) == (datastore.storage_id == null)])}."
  }

  validation {
    condition     = alltrue([for datastore in var.datastores : datastore.account == null ? true : contains(keys(var.data_accounts), datastore.account)])
    error_message = "data_accounts has ${length(var.data_accounts) == 0 ? "nothing" : join(", ", keys(var.data_accounts))}, and these datastores name another: ${join(", ", [for name, datastore in var.datastores : "${name} = ${datastore.account == null ? "null" : datastore.account}" if datastore.account == null ? false : !contains(keys(var.data_accounts), datastore.account)])}."
  }

  validation {
    condition     = alltrue([for datastore in var.datastores : datastore.container == null || datastore.storage_id == null])
    error_message = "The container of a storage_id is told by that: leave out container in ${join(", ", [for name, datastore in var.datastores : name if datastore.container != null && datastore.storage_id != null])}."
  }

  validation {
    condition     = alltrue([for datastore in var.datastores : datastore.type != "adls_gen2" || datastore.account == null ? true : lookup({ for key, account in var.data_accounts : key => account.hierarchical_namespace }, datastore.account, true)])
    error_message = "adls_gen2 datastores need an account with hierarchical_namespace; not so: ${join(", ", [for name, datastore in var.datastores : "${name} (${datastore.account == null ? "null" : datastore.account})" if datastore.type != "adls_gen2" || datastore.account == null ? false : !lookup({ for key, account in var.data_accounts : key => account.hierarchical_namespace }, datastore.account, true)])}."
  }

  validation {
    condition     = alltrue([for datastore in var.datastores : datastore.type != "file_share" || datastore.account == null])
    error_message = "The accounts of data_accounts know no keys, and a file share is read with one: give the storage_id of a share elsewhere for ${join(", ", [for name, datastore in var.datastores : name if datastore.type == "file_share" && datastore.account != null])}."
  }

  validation {
    condition     = length(distinct([for name, datastore in var.datastores : "${datastore.account == null ? name : datastore.account}/${coalesce(datastore.container, replace(lower(name), "_", "-"))}"])) == length(var.datastores)
    error_message = "Two datastores are the same container; there are: ${join(", ", sort([for name, datastore in var.datastores : "${name} = ${datastore.account == null ? name : datastore.account}/${coalesce(datastore.container, replace(lower(name), "_", "-"))}"]))}."
  }

  validation {
    condition     = alltrue([for datastore in var.datastores : datastore.storage_id == null ? true : can(regex(local.patterns.container, datastore.storage_id))])
    error_message = "storage_id is neither a container nor a file share in: ${join(", ", [for name, datastore in var.datastores : name if datastore.storage_id == null ? false : !can(regex(local.patterns.container, datastore.storage_id))])}."
  }
}

variable "grants" {
  description = "Roles on the stage's resource group beside those of the table of roles, by a name of the caller's: who gets which."
  type = map(object({
    principal_id   = string
    principal_type = optional(string, "ServicePrincipal")
    role           = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for grant in var.grants : contains(local.roles, grant.role)])
    error_message = "The resource group knows ${join(", ", local.roles)}; unknown: ${join(", ", [for name, grant in var.grants : "${grant.role} (${name})" if !contains(local.roles, grant.role)])}."
  }

  validation {
    condition     = alltrue([for grant in var.grants : contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])
    error_message = "A principal_type is Group, ServicePrincipal or User; not so in: ${join(", ", [for name, grant in var.grants : name if !contains(["Group", "ServicePrincipal", "User"], grant.principal_type)])}."
  }
}

variable "high_business_impact" {
  description = "Whether Microsoft collects less about the workspace, and encrypts the disks of its computes. Another answer is another workspace."
  type        = bool
  default     = false
  nullable    = false
}

variable "image_build_compute" {
  description = "Cluster that builds images, where a private registry keeps Azure's own builders out; null: those."
  type        = string
  default     = null

  validation {
    condition     = var.image_build_compute == null ? true : contains(keys(var.clusters), var.image_build_compute)
    error_message = "image_build_compute is no cluster of the stage: \"${var.image_build_compute == null ? "null" : var.image_build_compute}\"; there are ${length(var.clusters) == 0 ? "none" : join(", ", keys(var.clusters))}."
  }

  validation {
    condition     = var.image_build_compute != null || var.networking.mode != "private" || var.registry.mode != "own"
    error_message = "A private registry keeps Azure's own builders out: image_build_compute names the cluster that builds images."
  }
}

variable "instances" {
  description = "Compute instances by name, which is unique in the region, in dev only: a machine for one person each, told by the object id in Entra. See the module compute."
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
    condition     = length(var.instances) == 0 || startswith(var.stage, "dev")
    error_message = "Instances are for dev, ${var.stage} has none: ${join(", ", keys(var.instances))}."
  }
}

variable "jobs" {
  description = "What jobs need beyond their outputs: mount the workspace's file share, run parallel jobs (queues and tables), submit jobs or register models from code."
  type = object({
    mount_file_share = optional(bool, false)
    run_parallel     = optional(bool, false)
    submit_jobs      = optional(bool, false)
  })
  default  = {}
  nullable = false
}

variable "key_vault" {
  description = "The workspace's vault: its own, or a shared one (mode shared, with its resource id). purge_protection cannot be switched off again, nor retention_days changed."
  type = object({
    mode             = optional(string, "own")
    purge_protection = optional(bool, true)
    retention_days   = optional(number, 90)
    shared_id        = optional(string)
    sku              = optional(string, "standard")
  })
  default  = {}
  nullable = false
}

variable "kubernetes" {
  description = "Kubernetes clusters that jobs run on, by the name that jobs use. Told on, for 'mlops stage configure' to attach. See the module compute."
  type = map(object({
    cluster_id    = string
    instance_type = optional(string)
    namespace     = optional(string, "default")
  }))
  default  = {}
  nullable = false
}

variable "location" {
  description = "Region of the stage, as Azure writes it in ids: westeurope."
  type        = string
  nullable    = false
}

variable "locks" {
  description = "Locks against deletion by name, on what they are (storage, data_accounts, key_vault, registry, workspace), and why. One on the workspace holds for what is in it as well: no compute, endpoint or deployment can be deleted while it is there."
  type = map(object({
    notes = optional(string, "What is in here cannot be made again.")
    on    = optional(set(string), ["data_accounts", "key_vault", "storage"])
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for lock in var.locks : length(setsubtract(lock.on, local.lock_kinds)) == 0])
    error_message = "A lock is on ${join(", ", local.lock_kinds)}; unknown: ${join(", ", flatten([for name, lock in var.locks : [for kind in setsubtract(lock.on, local.lock_kinds) : "${kind} (${name})"]]))}."
  }

  validation {
    condition     = var.registry.mode == "own" || !anytrue([for lock in var.locks : contains(lock.on, "registry")])
    error_message = "The stage has no registry of its own to lock: ${join(", ", [for name, lock in var.locks : name if contains(lock.on, "registry")])}."
  }
}

variable "log_analytics" {
  description = "Log Analytics behind it all: the stage's own, or a shared workspace (mode shared, with its resource id). daily_quota_gb -1 means no limit."
  type = object({
    daily_quota_gb = optional(number, 5)
    mode           = optional(string, "own")
    retention_days = optional(number, 30)
    shared_id      = optional(string)
  })
  default  = {}
  nullable = false
}

variable "metric_alerts" {
  description = "Alerts on the workspace's metrics by name. See the module alerts."
  type = map(object({
    aggregation = string
    description = optional(string)
    frequency   = optional(string, "PT15M")
    metric      = string
    operator    = optional(string, "GreaterThan")
    severity    = optional(number, 3)
    threshold   = number
    window      = optional(string, "PT1H")
  }))
  default = {
    failed-runs = {
      aggregation = "Total"
      description = "A job failed."
      metric      = "Failed Runs"
      severity    = 2
      threshold   = 0
    }
    nodes-all-day = {
      aggregation = "Minimum"
      description = "For a whole day there was no moment without a node: something keeps a cluster up."
      frequency   = "PT1H"
      metric      = "Total Nodes"
      threshold   = 0
      window      = "P1D"
    }
    quota = {
      aggregation = "Maximum"
      description = "Little of the quota is left: the next job may wait for nodes."
      metric      = "Quota Utilization Percentage"
      threshold   = 90
    }
    unusable-nodes = {
      aggregation = "Maximum"
      description = "A node does not work."
      metric      = "Unusable Nodes"
      threshold   = 0
    }
  }
  nullable = false
}

variable "names" {
  description = "Names that follow a convention of yours, by kind: workspace, storage_account, key_vault … See the module names."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "networking" {
  description = <<-EOT
    Who reaches the stage, and what its computes reach.
    mode: public (with a role), or private (by private endpoints only).
    allowed_ips: where storage and vault of a public stage may be reached from; none: from anywhere.
    isolation_mode: the network that Azure ML keeps for the computes; a private stage has one. Forward only: Disabled, AllowInternetOutbound, AllowOnlyApprovedOutbound.
    outbound_rules: what that network lets out. See the module workspace.
    network: own, a network made here from address_space, endpoints_cidr, and linked_networks that find the private names too; or shared, with subnet_id and dns_zone_ids (by zone).
  EOT
  type = object({
    address_space   = optional(list(string), ["10.90.0.0/24"])
    allowed_ips     = optional(set(string), [])
    dns_zone_ids    = optional(map(string), {})
    endpoints_cidr  = optional(string, "10.90.0.0/26")
    isolation_mode  = optional(string, "Disabled")
    linked_networks = optional(map(string), {})
    mode            = optional(string, "public")
    network         = optional(string, "own")
    outbound_rules = optional(object({
      fqdns = optional(map(string), {})
      private_endpoints = optional(map(object({
        resource_id = string
        spark       = optional(bool, false)
        subresource = string
      })), {})
      service_tags = optional(map(object({
        ports       = string
        protocol    = optional(string, "TCP")
        service_tag = string
      })), {})
    }), {})
    subnet_id = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["private", "public"], var.networking.mode)
    error_message = "networking.mode is private or public, not \"${var.networking.mode}\"."
  }

  validation {
    condition     = var.networking.mode != "private" || var.networking.isolation_mode != "Disabled"
    error_message = "A private stage keeps a network for its computes, or they do not reach its storage: networking.isolation_mode is AllowInternetOutbound or AllowOnlyApprovedOutbound, not Disabled."
  }

  validation {
    condition     = contains(["own", "shared"], var.networking.network)
    error_message = "networking.network is own or shared, not \"${var.networking.network}\"."
  }

  validation {
    condition     = (var.networking.network == "shared") == (var.networking.subnet_id != null)
    error_message = "networking.subnet_id goes with network shared, and only with it; network is ${var.networking.network}."
  }

  validation {
    condition     = var.networking.network == "shared" || length(var.networking.dns_zone_ids) == 0
    error_message = "networking.dns_zone_ids go with network shared; an own network has zones of its own: ${join(", ", keys(var.networking.dns_zone_ids))}."
  }

  validation {
    condition     = var.networking.mode != "private" || length(var.networking.allowed_ips) == 0
    error_message = "A private stage is reached by private endpoints only, networking.allowed_ips would let nothing in: ${join(", ", var.networking.allowed_ips)}."
  }
}

variable "people" {
  description = "Object ids in Entra: the service principal of CI, the groups of data scientists and of readers; null: nobody."
  type = object({
    ci              = optional(string)
    data_scientists = optional(string)
    readers         = optional(string)
  })
  default  = {}
  nullable = false
}

variable "project" {
  description = "What the stage is for: lower-case letters, digits and single '-'. It is part of every name, with ten characters all names fit."
  type        = string
  nullable    = false
}

variable "registry" {
  description = "The container registry: the stage's own, a shared one (mode shared, with its resource id), or none, and Azure ML makes one when it first builds an image. See the module registry."
  type = object({
    mode = optional(string, "own")
    premium = optional(object({
      data_endpoint = optional(bool, false)
      export        = optional(bool, true)
      quarantine    = optional(bool, false)
      replicas = optional(map(object({
        zone_redundancy = optional(bool, false)
      })), {})
      untagged_days   = optional(number, 0)
      zone_redundancy = optional(bool, false)
    }), {})
    role_assignment_mode = optional(string, "LegacyRegistryPermissions")
    shared_id            = optional(string)
    sku                  = optional(string, "Standard")
  })
  default  = {}
  nullable = false
}

variable "resource_group_mode" {
  description = "own: the resource group is made here. shared: it is there already (bootstrap makes it, so that who deploys needs no role outside of it), under the name that the stage gives it."
  type        = string
  default     = "own"
  nullable    = false

  validation {
    condition     = contains(["own", "shared"], var.resource_group_mode)
    error_message = "resource_group_mode is own or shared, not \"${var.resource_group_mode}\"."
  }
}

variable "serverless_compute" {
  description = "Where jobs without a compute run: with or without public addresses, in a subnet of yours; null: as Azure ML likes, which in a managed network is there."
  type = object({
    public_ip = optional(bool, false)
    subnet_id = optional(string)
  })
  default = null
}

variable "stage" {
  description = "dev, qa or prod, or one of these with more after a '-': prod-eu."
  type        = string
  nullable    = false
}

variable "storage" {
  description = "The workspace's storage account: copies, days in which what is deleted can be brought back, operations that are logged, and what becomes of blobs with age. The usual rules let what runs wrote cool down and forget what it was before; nothing that a model or job may still name is deleted."
  type = object({
    lifecycle_rules = optional(map(object({
      cool_after_days            = optional(number)
      delete_after_days          = optional(number)
      prefixes                   = optional(set(string), [])
      versions_delete_after_days = optional(number, 30)
      })), {
      run-artifacts = { cool_after_days = 30, prefixes = ["azureml/", "azureml-blobstore-"] }
      versions      = {}
    })
    logged_operations = optional(set(string), ["Delete", "Write"])
    replication       = optional(string, "LRS")
    soft_delete_days  = optional(number, 14)
  })
  default  = {}
  nullable = false
}

variable "subscription_id" {
  description = "Subscription of the stage, a GUID in lower case."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of everything, beside managed-by, project and stage. A date or a commit in a tag is a change of everything at every apply."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 12 && alltrue([for key, value in var.tags : can(regex(local.patterns.tag, key)) && length(value) <= 256])
    error_message = "There are at most 12 tags, of keys with up to 128 characters without any of < > % & \\ ? /, and values with up to 256; wrong: ${length(var.tags) > 12 ? "${length(var.tags)} tags" : join(", ", [for key, value in var.tags : key if !(can(regex(local.patterns.tag, key)) && length(value) <= 256)])}."
  }

  validation {
    condition     = length(setintersection([for key in keys(var.tags) : lower(key)], ["managed-by", "project", "stage"])) == 0
    error_message = "The stage sets these tags itself: ${join(", ", setintersection([for key in keys(var.tags) : lower(key)], ["managed-by", "project", "stage"]))}."
  }
}

variable "tenant_id" {
  description = "Entra tenant, a GUID."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(local.patterns.guid, var.tenant_id))
    error_message = "tenant_id is a GUID, not \"${var.tenant_id}\"."
  }
}
