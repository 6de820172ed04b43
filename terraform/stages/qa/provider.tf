provider "azurerm" {
  subscription_id                 = var.subscription_id
  tenant_id                       = var.tenant_id
  resource_provider_registrations = "none" # bootstrap registers them: it takes rights that who deploys a stage lacks
  storage_use_azuread             = true

  features {
    application_insights {
      disable_generated_rule = true # an alert rule that nobody wrote would stay in the resource group
    }

    key_vault {
      purge_soft_delete_on_destroy    = false
      recover_soft_deleted_key_vaults = true
    }

    log_analytics_workspace {
      permanently_delete_on_destroy = false
    }

    machine_learning {
      purge_soft_deleted_workspace_on_destroy = false
    }

    resource_group {
      prevent_deletion_if_contains_resources = true
    }
  }
}
