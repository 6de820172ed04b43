"""Runs plans on Azure ML, with the official SDK, in the workspace that Terraform made for a stage."""
