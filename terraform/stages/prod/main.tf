# prod: preprocesses and scores; reached privately, and what is in it is not deleted by accident.

module "stage" {
  source = "../../modules/stage"

  alert_emails = var.alert_emails
  budgets      = { monthly = { amount = 1000 } }
  clusters = {
    cpu = { nodes = { max = 4 }, vm_size = "Standard_DS3_v2" }
  }
  data_accounts       = { data = { replication = "GRS", soft_delete_days = 30 } }
  image_build_compute = "cpu"
  location            = var.location
  # Not on the workspace, or no deployment could be deleted. A deleted workspace comes back within 14 days, from these.
  locks               = { no-delete = {} }
  networking          = { isolation_mode = "AllowInternetOutbound", mode = "private" }
  people              = merge(var.groups, { ci = var.ci_principal_id })
  project             = var.project
  registry            = { premium = { untagged_days = 30 }, sku = "Premium" }
  resource_group_mode = var.resource_group_mode
  stage               = "prod"
  storage             = { logged_operations = ["Delete", "Read", "Write"], replication = "GRS", soft_delete_days = 30 }
  subscription_id     = var.subscription_id
  tags                = var.tags
  tenant_id           = var.tenant_id
}
