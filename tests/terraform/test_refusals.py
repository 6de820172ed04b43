"""Every rule of every module refuses one example, and says whose mistake it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from refusals import MODULES, PAGE, Example, Refusal, call, calling, examples, own, page, refusals, rules
from roots import Bench
from standin.runner import Servers, TerraformError

EXAMPLES = [example for module in MODULES for example in examples(module)]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory, cli_config: Path, servers: Servers) -> Iterator[dict[str, list[Refusal]]]:
    bench = Bench(folder=tmp_path_factory.mktemp("refusals"), config=cli_config, servers=servers)
    yield refusals(bench)
    bench.close()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.key)
def test_an_example_is_refused_by_one_rule_of_its_module(refused: dict[str, list[Refusal]], example: Example) -> None:
    assert example.key in refused, "nothing is said of it"
    (refusal,) = own(example, refused)
    assert refusal.said.endswith(".")
    # a message that only repeats the rule leaves people to find the culprit among dozens
    assert "\"null\"" not in refusal.said


def test_every_rule_has_an_example_that_it_refuses(refused: dict[str, list[Refusal]]) -> None:
    met = {refusal.rule for found in refused.values() for refusal in found}
    # what needs a state to compare with has a test of its own below
    assert {rule for rule in rules() - met if not rule.startswith("workspace/main.tf")} == set()


def test_the_page_of_refusals_says_what_terraform_says(refused: dict[str, list[Refusal]]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(refused), "write it anew: python tests/terraform/refusals.py"


def test_a_network_that_was_closed_is_not_opened_again(bench: Bench) -> None:
    content = next(example for example in EXAMPLES if example.key == "workspace__name_with_an_underscore")
    told = {**content.given, "name": "mlw-flights", "resource_group_name": "${azurerm_resource_group.this.name}"}
    closed = replace(content, given={**told, "managed_network": {"isolation_mode": "AllowInternetOutbound"}})
    root = calling(bench, [closed])
    (root.folder / "group.tf").write_text('resource "azurerm_resource_group" "this" {\n  name = "rg"\n  location = "westeurope"\n}\n')
    root.apply()
    call(root.folder, replace(closed, given={**told, "managed_network": {"isolation_mode": "Disabled"}}))
    with pytest.raises(TerraformError) as caught:
        root.plan()
    said = " ".join(str(caught.value).split())
    assert "isolation_mode goes back from AllowInternetOutbound to Disabled; Azure goes only forward: Disabled, " in said
