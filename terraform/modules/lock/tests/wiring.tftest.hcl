mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

run "keeps_from_deleting_and_not_from_reading" {
  command = plan

  variables {
    locks = {
      state = { name = "no-delete", notes = "It cannot be made again.", scope = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Storage/storageAccounts/stflightsdev1a2b3c" }
    }
  }

  assert {
    condition     = azurerm_management_lock.this["state"].lock_level == "CanNotDelete" && keys(output.ids) == ["state"]
    error_message = "The lock keeps Terraform itself out, or is missing."
  }
}
