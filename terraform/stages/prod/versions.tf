terraform {
  required_version = ">= 1.11, < 2.0"

  # The account is told at init: terraform init -backend-config=storage_account_name=NAME
  backend "azurerm" {
    container_name   = "state-prod"
    key              = "stage.tfstate"
    use_azuread_auth = true
  }

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 5.10, < 6.0"
    }
  }
}
