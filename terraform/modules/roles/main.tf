# Who may what: the table of roles, as values for the grants of the other modules. Least first: what is not here is not granted.

locals {
  datastore_access = { read = "Storage Blob Data Reader", write = "Storage Blob Data Contributor" }
  reading = {
    storage   = ["Storage Blob Data Reader", "Storage File Data Privileged Reader"]
    workspace = ["Reader"]
  }
  working = {
    storage   = ["Storage Blob Data Contributor", "Storage File Data Privileged Contributor"]
    workspace = ["AzureML Compute Operator", "AzureML Data Scientist"]
  }
  registry_roles = {
    AbacRepositoryPermissions = { pull = "Container Registry Repository Reader", push = "Container Registry Repository Writer" }
    LegacyRegistryPermissions = { pull = "AcrPull", push = "AcrPush" }
  }
  images = local.registry_roles[var.role_assignment_mode]
  # To let the workspace's network into what it is to reach by private endpoint.
  approving = [for role in ["Azure AI Enterprise Network Connection Approver"] : role if var.managed_network]

  table = {
    # What Microsoft asks of the identity that a workspace is. It builds images, so it pulls and pushes; Contributor does
    # that in the older registries only.
    workspace = {
      application_insights = ["Contributor"]
      data_accounts        = local.approving
      key_vault            = concat(["Contributor", "Key Vault Administrator"], local.approving)
      registry             = concat(["Contributor", local.images.pull, local.images.push], local.approving)
      storage              = concat(["Contributor", "Storage Blob Data Contributor", "Storage File Data Privileged Contributor"], local.approving)
      workspace            = ["Contributor"]
    }
    # What code of jobs may: write its outputs and pull its image. No secrets: no datastore has a key.
    jobs = {
      registry = [local.images.pull]
      storage = concat(
        ["Storage Blob Data Contributor"],
        [for role in ["Storage File Data Privileged Contributor"] : role if var.jobs.mount_file_share],
        [for role in ["Storage Queue Data Contributor", "Storage Table Data Contributor"] : role if var.jobs.run_parallel],
      )
      workspace = [for role in ["AzureML Data Scientist"] : role if var.jobs.submit_jobs]
    }
    # Submits jobs, registers and deploys models, uploads code as itself.
    ci = {
      resource_group = ["Reader"]
      storage        = ["Storage Blob Data Contributor"]
      workspace      = ["AzureML Data Scientist"]
    }
    # Who may write to the workspace's storage may change what runs there: in qa and prod people read.
    data_scientists = { read = local.reading, write = local.working }[var.data_scientists_may]
    readers         = local.reading
  }
  scopes = ["application_insights", "data_accounts", "key_vault", "registry", "resource_group", "storage", "workspace"]

  people = { for who, id in var.people : who => { id = id, type = who == "ci" ? "ServicePrincipal" : "Group" } if id != null }
  principals = merge(local.people, {
    jobs      = { id = var.identities.jobs, type = "ServicePrincipal" }
    workspace = { id = var.identities.workspace, type = "ServicePrincipal" }
  })

  grants = {
    for scope in local.scopes : scope => merge([
      for who, principal in local.principals : {
        for role in distinct(lookup(local.table[who], scope, [])) : "${who}/${role}" => {
          principal_id   = principal.id
          principal_type = principal.type
          role           = role
        }
      }
    ]...)
  }

  # On the container of a datastore: jobs as it says, the workspace to show it in the studio, data scientists to read.
  datastores = {
    for name, access in var.datastores : name => {
      for who, principal in local.principals : "${who}/${who == "jobs" ? local.datastore_access[access] : local.datastore_access.read}" => {
        principal_id   = principal.id
        principal_type = principal.type
        role           = who == "jobs" ? local.datastore_access[access] : local.datastore_access.read
      } if contains(["data_scientists", "jobs", "workspace"], who)
    }
  }
}
