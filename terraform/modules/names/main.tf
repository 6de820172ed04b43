# What everything of a stage is called: the same today and tomorrow, in nobody's way, and within the rules of each resource.

locals {
  kinds = [
    "action_group", "application_insights", "batch_endpoint", "identity_jobs", "identity_workspace", "key_vault",
    "log_analytics", "network", "online_endpoint", "registry", "resource_group", "storage_account", "workspace",
  ]

  base    = "${var.project}-${var.stage}"
  compact = replace(local.base, "-", "")
  # What must be unique in all of Azure, or in a region, ends with this. It comes from what makes the stage, not from chance.
  seed   = "${var.subscription_id}/${local.base}/${var.location}"
  suffix = substr(sha256(local.seed), 0, 6)

  usual = {
    action_group         = "ag-${local.base}"
    application_insights = "appi-${local.base}"
    batch_endpoint       = "${local.base}-batch-${local.suffix}"
    identity_jobs        = "id-${local.base}-jobs"
    identity_workspace   = "id-${local.base}-workspace"
    key_vault            = "kv-${local.compact}-${local.suffix}"
    log_analytics        = "log-${local.base}"
    network              = "vnet-${local.base}"
    online_endpoint      = "${local.base}-${local.suffix}"
    registry             = "cr${local.compact}${local.suffix}"
    resource_group       = "rg-${local.base}"
    storage_account      = "st${local.compact}${local.suffix}"
    workspace            = "mlw-${local.base}"
  }
  limits = {
    action_group         = 260
    application_insights = 255
    batch_endpoint       = 32
    identity_jobs        = 128
    identity_workspace   = 128
    key_vault            = 24
    log_analytics        = 63
    network              = 64
    online_endpoint      = 32
    registry             = 50
    resource_group       = 90
    storage_account      = 24
    workspace            = 33
  }

  names = merge(local.usual, var.overrides)
  # An account for data differs from the stage's own in the suffix alone, so that its name is as short.
  data_accounts = {
    for key in var.data_accounts : key => "st${local.compact}${substr(sha256("${local.seed}/${key}"), 0, 6)}"
  }
  too_long = [
    for kind, name in local.names : "${kind} \"${name}\" has ${length(name)} of at most ${local.limits[kind]} characters"
    if length(name) > local.limits[kind]
  ]
}
