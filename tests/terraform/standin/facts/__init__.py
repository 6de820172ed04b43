"""What the schema does not say about the resources that the stages use, and azurerm or Azure does."""

from __future__ import annotations

from collections.abc import Mapping

from standin.facts import access, machine_learning, monitoring, network, storage
from standin.facts.model import Facts, Values, World

FACTS: Mapping[str, Facts] = {
    **access.FACTS,
    **machine_learning.FACTS,
    **monitoring.FACTS,
    **network.FACTS,
    **storage.FACTS,
}

__all__ = ["FACTS", "Facts", "Values", "World"]
