"""Which deployment of an online endpoint gets a request: by shares that are kept to, not only in the long run."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from .wire import Problem

MOST_MIRRORED = 50


class Rotation:
    """Whose turn it is; every method may be called from any thread.

    Each deployment has a credit that grows by its share with each request; the one with most is taken, and pays 100. Of ten
    requests at 90 and 10 exactly nine go to the first, which a draw of lots would not give.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credits: dict[tuple[str, str], float] = {}

    def pick(self, endpoint: str, shares: Mapping[str, int]) -> str | None:
        """The deployment that gets the next request; None when none has a share, or it is the turn of nobody."""
        return self._pick(endpoint, {name: share for name, share in shares.items() if share > 0}, spare=False)

    def mirrors(self, endpoint: str, shares: Mapping[str, int]) -> list[str]:
        """The deployments that get a copy of the next request."""
        return [name for name, share in shares.items() if self._pick(f"{endpoint}/mirror", {name: share}, spare=True)]

    def _pick(self, key: str, shares: Mapping[str, int], *, spare: bool) -> str | None:
        if not shares:
            return None
        with self._lock:
            for name, share in shares.items():
                self._credits[key, name] = self._credits.get((key, name), 0.0) + share
            first = max(shares, key=lambda name: self._credits[key, name])
            if spare and self._credits[key, first] < 100:
                return None
            self._credits[key, first] -= 100
            return first


def check(traffic: Mapping[str, int], mirrored: Mapping[str, int], deployments: Collection[str]) -> None:
    """Refuse shares that Azure ML would not take.

    Args:
        traffic: The share of each deployment, in percent.
        mirrored: The share of the traffic of which each deployment gets a copy.
        deployments: The names of those that the endpoint has.

    Raises:
        Problem: 400, with the reason.
    """
    for name in [*traffic, *mirrored]:
        if name.lower() not in {known.lower() for known in deployments}:
            raise _refused(f"The deployment '{name}' has a share of the traffic, and the endpoint has no such deployment.")
    shares = [*traffic.values(), *mirrored.values()]
    if not all(isinstance(share, int) and 0 <= share <= 100 for share in shares):
        raise _refused("A share of the traffic is a whole number from 0 to 100.")
    if sum(traffic.values()) not in (0, 100):
        raise _refused(f"The traffic adds up to {sum(traffic.values())} %. It has to be 100, or 0.")
    if sum(mirrored.values()) > MOST_MIRRORED:
        raise _refused(f"{sum(mirrored.values())} % of the traffic are mirrored. At most {MOST_MIRRORED} % can be.")
    both = [name for name in mirrored if traffic.get(name)]
    if both:
        raise _refused(f"The deployment '{both[0]}' has a share of the traffic and gets a copy of it. It is one or the other.")


def _refused(message: str) -> Problem:
    return Problem(400, "BadArgument", message)
