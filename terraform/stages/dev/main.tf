# dev: where people experiment and models are trained.

module "stage" {
  source = "../../modules/stage"

  alert_emails = var.alert_emails
  budgets      = { monthly = { amount = 500 } }
  clusters = {
    cpu = { nodes = { max = 4 }, vm_size = "Standard_DS3_v2" }
  }
  data_scientists_may = "write"
  # A machine for one person each, told by the object id in Entra:
  #   anna-flights = { idle_shutdown = "PT1H", user_object_id = "00000000-0000-0000-0000-000000000000" }
  instances           = {}
  key_vault           = { retention_days = 7 } # a vault that was deleted keeps its name for so long
  location            = var.location
  people              = merge(var.groups, { ci = var.ci_principal_id })
  project             = var.project
  resource_group_mode = var.resource_group_mode
  stage               = "dev"
  subscription_id     = var.subscription_id
  tags                = var.tags
  tenant_id           = var.tenant_id
}
