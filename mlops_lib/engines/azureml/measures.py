"""What runs on Azure ML have logged with MLflow: asked of the workspace's own MLflow, where jobs are runs by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .workspace import Workspace


class Logged(NamedTuple):
    """What a run has logged: of each metric the latest value, and parameters."""

    metrics: Mapping[str, float]
    params: Mapping[str, str]


NOTHING = Logged({}, {})


class Measures:
    """The MLflow of a workspace, read over its REST API: whoever looks at a run needs no MLflow for it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def of(self, run: str) -> Logged:
        """What a job, or a step of one, has logged.

        Raises:
            StageError: it cannot be read.
        """
        data: Mapping[str, Any] = (self._get("runs/get", run).get("run") or {}).get("data") or {}
        return Logged({key: float(value) for key, value in _pairs(data.get("metrics"))},  # "NaN" is one, too
                      {key: str(value) for key, value in _pairs(data.get("params"))})

    def curve(self, run: str, metric: str) -> tuple[float, ...]:
        """All values that a run has logged of a metric, in order.

        Raises:
            StageError: they cannot be read.
        """
        logged = self._get("metrics/get-history", run, metric_key=metric).get("metrics") or ()
        in_order = sorted(logged, key=lambda one: (one.get("step") or 0, one.get("timestamp") or 0))
        return tuple(float(one["value"]) for one in in_order)

    def _get(self, path: str, run: str, **query: str) -> Mapping[str, Any]:
        """What MLflow answers of a run; nothing in a workspace without MLflow."""
        address = urlsplit(str(self._workspace.about.get("mlFlowTrackingUri") or ""))
        if not address.netloc:
            return {}
        scheme = "https" if address.scheme == "azureml" else address.scheme
        return self._workspace.get(f"{address.path.rstrip('/')}/api/2.0/mlflow/{path}", run_id=run, version=None,
                                   host=f"{scheme}://{address.netloc}", doing=f"read what {run!r} has logged", **query) or {}


def _pairs(told: Iterable[Mapping[str, Any]] | None) -> Iterable[tuple[str, Any]]:
    return [(str(one["key"]), one["value"]) for one in told or () if one.get("value") is not None]


__all__ = ["NOTHING", "Logged", "Measures"]
