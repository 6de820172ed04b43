"""What our Terraform files declare, read with python-hcl2: the contract with the library, and the rules that the files keep."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import StageError
from mlops_lib.infra.declared import Module, check, read_module

TREE = Path(__file__).resolve().parents[2] / "terraform"
STAGES = ("dev", "qa", "prod")
MODULES = sorted(f"modules/{path.name}" for path in (TREE / "modules").iterdir())
FOLDERS = ["bootstrap", *MODULES, *(f"stages/{name}" for name in STAGES)]
FILES = sorted(path for path in TREE.rglob("*.tf"))
# modules whose resource others are granted roles on
GRANTABLE = ["application-insights", "datastore", "key-vault", "registry", "stage", "storage", "workspace"]


@cache
def module(place: str) -> Module:
    return read_module(TREE / place)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_declares_all_that_the_library_reads(name: str) -> None:
    check(TREE / "stages" / name)


def test_an_output_that_is_renamed_is_noticed_without_terraform(tmp_path: Path) -> None:
    import shutil

    tree = Path(shutil.copytree(TREE, tmp_path / "terraform"))
    outputs = tree / "modules" / "stage" / "outputs.tf"
    outputs.write_text(outputs.read_text().replace("    computes ", "    compute_targets "))
    with pytest.raises(StageError, match="lacks computes"):
        check(tree / "stages" / "prod")


def test_a_stage_tells_on_what_azurerm_cannot_do() -> None:
    from mlops_lib.infra.contract import LATER

    aml = module("modules/stage").outputs["aml"].value
    assert set(LATER) <= set(aml)
    assert aml["kubernetes"] == "${module.compute.kubernetes}"
    compute = module("modules/compute")
    assert compute.outputs["kubernetes"].value == "${var.kubernetes}"
    for told in ("idle_shutdown", "schedules"):
        assert f"{told} " in compute.variables["instances"].type.replace("=", " = ")
        assert f"var.instances[name].{told}" in str(compute.outputs["computes"].value)


def test_the_stages_are_told_the_same_things_and_say_the_same() -> None:
    dev = module("stages/dev")
    for name in STAGES[1:]:
        other = module(f"stages/{name}")
        assert (other.variables, other.outputs) == (dev.variables, dev.outputs), name


def test_a_stage_is_one_call_of_one_module() -> None:
    for name in STAGES:
        found = module(f"stages/{name}")
        assert (list(found.calls), dict(found.resources)) == (["stage"], {}), name
        assert found.calls["stage"].arguments["stage"] == f'"{name}"'


@pytest.mark.parametrize("place", FOLDERS)
def test_every_variable_and_output_is_described_and_typed(place: str) -> None:
    found = module(place)
    for name, variable in found.variables.items():
        assert variable.description.endswith((".", "…")), f"{place}: variable {name}"
        assert not re.search(r"\bany\b", variable.type), f"{place}: variable {name} takes anything"
    for name, output in found.outputs.items():
        assert output.description.endswith("."), f"{place}: output {name}"


@pytest.mark.parametrize("place", FOLDERS)
def test_variables_and_outputs_stand_in_the_order_of_the_alphabet(place: str) -> None:
    for file, names in (("variables.tf", module(place).variables), ("outputs.tf", module(place).outputs)):
        path = TREE / place / file
        assert not names or set(re.findall(r'(?m)^(?:variable|output) "(\w+)"', path.read_text())) == set(names), "in another file"
        assert list(names) == sorted(names), f"{place}/{file}"


@pytest.mark.parametrize("place", MODULES)
def test_a_module_has_the_files_that_everyone_expects(place: str) -> None:
    files = {path.name for path in (TREE / place).glob("*.tf")}
    assert files == {"main.tf", "outputs.tf", "variables.tf", "versions.tf"}
    assert {path.name for path in (TREE / place / "tests").iterdir()} >= {"refusals.tftest.hcl", "wiring.tftest.hcl"}


def test_versions_are_the_same_everywhere() -> None:
    for place in FOLDERS:
        text = (TREE / place / "versions.tf").read_text()
        assert 'required_version = ">= 1.11, < 2.0"' in text, place
        assert set(re.findall(r'version = "(.*)"', text.replace("required_version", ""))) <= {">= 5.10, < 6.0"}, place
        assert set(re.findall(r'source += "(.*)"', text)) <= {"hashicorp/azurerm"}, place


def test_roles_are_granted_by_one_variable_that_is_spelled_alike() -> None:
    types = {place: found.variables["grants"].type for place in FOLDERS if "grants" in (found := module(place)).variables}
    assert set(types) == {"bootstrap", *(f"modules/{name}" for name in GRANTABLE)}
    assert set(types.values()) == {'map(object({principal_id = string, principal_type = optional(string, "ServicePrincipal"), role = string}))'}


def test_who_deploys_may_grant_every_role_that_a_module_knows() -> None:
    known = {role for name in GRANTABLE for role in roles(module(f"modules/{name}").locals["roles"])}
    table = set(re.findall(r'"([A-Z][A-Za-z]+(?: [A-Za-z]+)*)"', (TREE / "modules/roles/main.tf").read_text()))
    assert table - {"Group", "ServicePrincipal"} <= known
    bootstrap = module("bootstrap").locals
    granting = {*keys(bootstrap["roles"]), *keys(bootstrap["identity_roles"])}
    assert known - granting == set(), "add these to bootstrap, with their ids"
    assert granting - known == set(), "no module grants these"
    assert not known & {"Owner", "User Access Administrator", "Role Based Access Control Administrator"}


def roles(value: Any) -> set[str]:
    return set(re.findall(r'"([^"]+)"', str(value)))


def keys(value: dict[str, Any]) -> set[str]:
    return {key.strip('"') for key in value if not key.startswith("__")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TREE)))
def test_a_file_has_nothing_that_chance_time_or_the_outside_decides(path: Path) -> None:
    code = re.sub(r'"(?:[^"\\]|\\.)*"|#.*', "", path.read_text(encoding="utf-8"))
    for word in ("azapi", "random_", "time_sleep", "timestamp(", "uuid(", "provisioner"):
        assert word not in code.replace("plantimestamp(", ""), word
    assert not re.search(r"(?m)^data ", code), "nothing is looked up: ids come in"
    assert not re.search(r"(?m)^ +count +=", code), "what is optional is a map with no entry"
    assert not re.search(r"\btry\(", code), "nothing is tried that may not be there"
    assert not re.search(r"(?m)^provider ", code) or "modules" not in path.parts, "a module is told its provider"


def test_the_clock_is_asked_in_one_place_and_changes_nothing_later() -> None:
    found = [path for path in FILES if "plantimestamp(" in path.read_text()]
    assert [path.parent.name for path in found] == ["alerts"]
    assert "ignore_changes = [time_period]" in found[0].read_text()


def test_no_lock_file_is_committed_that_nobody_can_check() -> None:
    assert list(TREE.rglob(".terraform.lock.hcl")) == []
