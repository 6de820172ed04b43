"""A stand-in for the azurerm provider: Terraform plans and applies against it as against Azure, on this machine alone.

It serves azurerm's real schema over Terraform's plugin protocol and adds, for the resources that the stages use, what the
schema does not say: defaults, what forces a new resource, ids in Azure's shapes, and refusals that only Azure would make.
What it was told to create is kept in one JSON file, the cloud.
"""
