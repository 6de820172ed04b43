# qa: where a candidate scores as it will in prod.

module "stage" {
  source = "../../modules/stage"

  alert_emails = var.alert_emails
  budgets      = { monthly = { amount = 300 } }
  clusters = {
    cpu = { nodes = { max = 2 }, vm_size = "Standard_DS3_v2" }
  }
  key_vault           = { retention_days = 7 } # a vault that was deleted keeps its name for so long
  location            = var.location
  people              = merge(var.groups, { ci = var.ci_principal_id })
  project             = var.project
  resource_group_mode = var.resource_group_mode
  stage               = "qa"
  subscription_id     = var.subscription_id
  tags                = var.tags
  tenant_id           = var.tenant_id
}
