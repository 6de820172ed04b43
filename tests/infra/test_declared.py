from pathlib import Path

import pytest

from mlops_lib.errors import InputError, StageError
from mlops_lib.infra.declared import check, read_module

WHOLE = """
output "aml" {
  description = "What the stage has."
  value = {
    schema_version  = 1
    stage           = var.stage
    subscription_id = "x"
    tenant_id       = "x"
    location        = "x"
    resource_group  = "x"
    app_insights    = { id = "x" }
    computes        = module.compute.computes
    datastores      = {}
    endpoints       = { batch = "x", online = "x" }
    identities      = merge({}, {})
    networking      = { isolation_mode = "x", mode = "x" }
    registry        = null
    storage         = { id = "x", name = "x" }
    vault           = { id = "x", name = "x", uri = "x" }
    workspace       = { discovery_url = "x", id = "x", location = "x", name = "x" }
  }
}
"""


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.tf").write_text(text)
    return folder


def test_an_output_that_is_written_out_is_looked_at_through_the_modules_that_pass_it_on(tmp_path: Path) -> None:
    write(tmp_path / "modules" / "stage", WHOLE)
    root = write(tmp_path / "stages" / "dev", 'module "stage" {\n  source = "../../modules/stage"\n}\noutput "aml" {\n  value = module.stage.aml\n}\n')
    check(root)
    write(tmp_path / "modules" / "stage", WHOLE.replace("discovery_url = ", "url = ").replace("    tenant_id       = ", "    tenant = "))
    with pytest.raises(StageError, match=r"the output 'aml' of .*dev lacks tenant_id, workspace\.discovery_url"):
        check(root)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('output "ml" {\n  value = 1\n}\n', "declares no output 'aml'"),
        (WHOLE.replace("schema_version  = 1", "schema_version  = 2"), "lacks schema_version = 1"),
        (WHOLE.replace('description = "What', 'sensitive = true\n  description = "What'), "is marked as sensitive"),
        (WHOLE.replace("    registry        = null\n", ""), "lacks registry"),
        (WHOLE.replace("    computes        = module.compute.computes\n", ""), "lacks computes"),
        ('output "aml" {\n  value = module.stage.aml\n}\n', "calls no module 'stage'"),
    ],
)
def test_what_the_contract_lacks_is_told_by_its_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(StageError, match=words):
        check(write(tmp_path, text))


def test_an_output_that_was_renamed_in_a_module_is_told(tmp_path: Path) -> None:
    write(tmp_path / "inner", 'output "contract" {\n  value = {}\n}\n')
    root = write(tmp_path / "root", 'module "stage" {\n  source = "../inner"\n}\noutput "aml" {\n  value = module.stage.aml\n}\n')
    with pytest.raises(StageError, match="declares no output 'aml'") as caught:
        check(root)
    assert "it declares contract" in str(caught.value)


def test_a_module_tells_its_variables_outputs_resources_and_calls(tmp_path: Path) -> None:
    text = """
variable "nodes" {
  description = <<-EOT
    How many:
      at least one.
  EOT
  type    = map(object({ max = optional(number, 4) }))
  default = { cpu = {}, names = ["a", "b"] }
}
variable "key" {
  description = "Never \\"shown\\"."
  type        = string
  sensitive   = true
}
resource "azurerm_key_vault" "this" {
  name = "x"
}
locals {
  private = var.nodes == null
}
module "inner" {
  source = "./inner"
  nodes  = var.nodes
}
output "id" {
  description = "An id."
  value       = azurerm_key_vault.this.id
}
"""
    module = read_module(write(tmp_path, text))
    nodes, key = module.variables["nodes"], module.variables["key"]
    assert nodes.description == "How many:\n  at least one."
    assert (nodes.type, nodes.default) == ("map(object({max = optional(number, 4)}))", '{cpu = {}, names = ["a", "b"]}')
    assert (key.description, key.default, key.sensitive) == ('Never "shown".', None, True)
    assert module.outputs["id"].value == "${azurerm_key_vault.this.id}"
    assert list(module.resources) == ["azurerm_key_vault.this"]
    assert (module.calls["inner"].source, module.calls["inner"].arguments["nodes"]) == ("./inner", "${var.nodes}")
    assert module.locals == {"private": "${var.nodes == null}"}


@pytest.mark.parametrize(("text", "words"), [(None, "has no .tf file"), ('variable "x" {', "is not HCL"), ("\udcff", "not UTF-8")])
def test_files_that_cannot_be_read_are_told(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "main.tf").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=words):
        read_module(tmp_path)
