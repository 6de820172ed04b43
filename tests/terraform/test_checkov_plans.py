"""How failures of checkov and the list of those that may be are held against each other; checkov itself runs in tox."""

from __future__ import annotations

import pytest
from checkov_plans import LISTED, Failure, judge, listed
from roots import ROOTS

ONE = "- check: CKV_AZURE_1\n  roots: [dev]\n  reason: Because.\n"


def failure(check: str = "CKV_AZURE_1", root: str = "dev") -> Failure:
    return Failure(root=root, check=check, what="Ensure it", resource="azurerm_thing.this")


def test_a_failure_with_a_reason_is_no_mistake() -> None:
    assert judge([failure(), failure()], listed(ONE)) == []


@pytest.mark.parametrize("found", [failure(check="CKV_AZURE_2"), failure(root="prod")], ids=["another check", "another root"])
def test_a_failure_that_is_not_listed_is_told_with_its_resource(found: Failure) -> None:
    assert judge([failure(), found], listed(ONE)) == [f"{found.root}: {found.check} fails for azurerm_thing.this: Ensure it"]


def test_a_reason_that_nothing_needs_any_more_is_told() -> None:
    assert judge([], listed(ONE)) == ["checkov.yml: CKV_AZURE_1 no longer fails in dev: take it out"]


def test_a_reason_is_required() -> None:
    with pytest.raises(SystemExit, match="CKV_AZURE_1 has no reason"):
        listed(ONE.replace("Because.", '""'))


def test_the_list_names_checks_roots_and_reasons_and_nothing_twice() -> None:
    found = [(allowance.check, root) for allowance in listed(LISTED.read_text()) for root in allowance.roots]
    assert found
    assert len(found) == len(set(found))
    assert {root for _, root in found} <= set(ROOTS)
