"""What a pipeline may cost on a stage: the size of each step's nodes, their number, the time limit, and a price per hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import listing

if TYPE_CHECKING:
    from .graph import Graph, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """What an hour of one node costs.

    Attributes:
        hourly: By the size of the virtual machine.
        currency: What the numbers are in.
    """

    hourly: Mapping[str, float] = field(default_factory=dict)
    currency: str = "USD"

    def of(self, size: str) -> float | None:
        """The price of a size, whose case does not matter; None when it is not known."""
        return next((price for name, price in self.hourly.items() if name.lower() == size.lower()), None)


NO_PRICES = Prices()


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What the steps of a pipeline cost at most, as far as that can be said.

    Attributes:
        most: Of each step that has a price and a time limit.
        unlimited: What an hour costs of each step that has a price and no time limit.
        unpriced: The sizes of nodes, or computes of no known size, that have no price, by step.
    """

    currency: str
    most: Mapping[str, float]
    unlimited: Mapping[str, float]
    unpriced: Mapping[str, str]

    @property
    def total(self) -> float:
        """Of the steps that have a limit."""
        return sum(self.most.values())

    def __str__(self) -> str:
        parts = [f"at most {self.total:,.2f} {self.currency}"] if self.most else []
        if self.unlimited:
            each = f"{sum(self.unlimited.values()):,.2f} {self.currency} an hour"
            parts.append(f"{each} while {listing(self.unlimited, 3)} {_runs(len(self.unlimited))} (no limits.timeout)")
        if self.unpriced:
            parts.append(f"no price for {listing(sorted(set(self.unpriced.values())), 3)}")
        return f"cost: {', '.join(parts)}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"currency": self.currency, "at_most": round(self.total, 4), "steps": dict(self.most),
                "hourly_without_limit": dict(self.unlimited), "unpriced": dict(self.unpriced)}


def _runs(count: int) -> str:
    return "runs" if count == 1 else "run"


def estimate(graph: Graph, sizes: Mapping[str, str | None], prices: Prices) -> Cost | None:
    """What *graph* costs at most when no step is reused; None when the project gives no prices.

    Args:
        graph: The steps.
        sizes: The size of the virtual machines of each compute; None where that is not known.
        prices: Of an hour.
    """
    if not prices.hourly:
        return None
    most: dict[str, float] = {}
    unlimited: dict[str, float] = {}
    unpriced: dict[str, str] = {}
    for name, step in graph.steps.items():
        size = _size(step, sizes)
        price = prices.of(size) if size else None
        if price is None:
            unpriced[name] = size or f"compute {(step.compute or 'without a name').removeprefix('azureml:')}"
            continue
        hours = min(_node_hours(step), default=None)
        if hours is None:
            unlimited[name] = round(price * _nodes(step) * (step.sweep.limits.at_once if step.sweep else 1), 6)
        else:
            most[name] = round(price * _nodes(step) * hours, 6)
    return Cost(currency=prices.currency, most=most, unlimited=unlimited, unpriced=unpriced)


def _size(step: Step, sizes: Mapping[str, str | None]) -> str | None:
    """The size of a step's virtual machines: of serverless compute the job says it."""
    told = _resources(step).get("instance_type")
    return sizes.get((step.compute or "").removeprefix("azureml:")) or (told if isinstance(told, str) else None)


def _nodes(step: Step) -> int:
    count = _resources(step).get("instance_count", 1)
    return int(count) if isinstance(count, int | str) and str(count).isdecimal() else 1


def _resources(step: Step) -> Mapping[str, Any]:
    told = step.job.rest.get("resources") or step.component.rest.get("resources")
    return told if isinstance(told, Mapping) else {}


def _node_hours(step: Step) -> Iterator[float]:
    """The hours that a step's nodes can be at work for, by each limit that it has; of a sweep those of all its trials."""
    if step.sweep is None:
        if step.job.timeout:
            yield step.job.timeout / 3600
        return
    limits = step.sweep.limits
    if limits.timeout:
        yield limits.at_once * limits.timeout / 3600
    if limits.trial_timeout:
        yield limits.trials * limits.trial_timeout / 3600
