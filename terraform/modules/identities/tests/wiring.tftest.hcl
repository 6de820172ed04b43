mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  location            = "westeurope"
  resource_group_name = "rg-flights-dev"
}

run "lets_ci_sign_in_without_a_secret" {
  command = plan

  variables {
    identities = {
      ci   = { credentials = { github = { issuer = "https://token.actions.githubusercontent.com", subject = "repo:acme/flights:environment:dev" } }, name = "id-flights-dev-ci" }
      jobs = { name = "id-flights-dev-jobs" }
    }
  }

  assert {
    condition     = keys(azurerm_federated_identity_credential.this) == ["ci/github"]
    error_message = "A credential is missing, or there is one that nobody asked for."
  }

  assert {
    condition     = azurerm_federated_identity_credential.this["ci/github"].audience == tolist(["api://AzureADTokenExchange"]) && azurerm_federated_identity_credential.this["ci/github"].subject == "repo:acme/flights:environment:dev"
    error_message = "Another token than the job's opens it."
  }

  assert {
    condition     = keys(output.identities) == ["ci", "jobs"] && alltrue([for identity in output.identities : keys(identity) == ["client_id", "id", "principal_id"]])
    error_message = "An identity is not told as the contract wants it."
  }
}
