"""What is written about our Terraform is what its files say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
GUIDE = (DOCS / "terraform.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def writer() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "terraform.py"))


def test_the_tables_of_variables_and_outputs_are_up_to_date(writer: dict[str, Any]) -> None:
    assert (DOCS / "terraform-reference.md").read_text(encoding="utf-8") == writer["page"](), "run: python docs/terraform.py"


def test_the_picture_of_a_stage_is_up_to_date_and_shows_every_module(writer: dict[str, Any]) -> None:
    text = (DOCS / "images" / "terraform-stage.svg").read_text(encoding="utf-8")
    assert text == writer["picture"](), "run: python docs/terraform.py"
    shown = {element.text for element in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text")}
    for name in writer["module"]("modules/stage").calls:
        assert any(str(line).startswith(name.replace("_", " ")) for line in shown), name


@pytest.mark.parametrize("page", ["terraform.md", "terraform-reference.md", "terraform-refusals.md", "stages.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", (DOCS / page).read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (DOCS / target).exists(), target


def test_the_guide_names_every_module_and_every_role_that_is_granted() -> None:
    for path in (ROOT / "terraform" / "modules").iterdir():
        assert f"`{path.name}`" in GUIDE, path.name
    table = (ROOT / "terraform" / "modules" / "roles" / "main.tf").read_text()
    for role in set(re.findall(r'"((?:Storage|Key Vault|AzureML|Azure AI|Acr|Container)[A-Za-z ]+)"', table)):
        assert role in GUIDE, role


def test_the_guide_names_no_command_of_mlops_that_there_is_not() -> None:
    from mlops_lib.cli import cli

    stage = cli.commands["stage"]
    for command in re.findall(r"mlops stage ([a-z]+)", GUIDE):
        assert command in stage.commands, command  # type: ignore[attr-defined]
