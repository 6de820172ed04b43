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
        address = urlsplit(str(self._workspace.about.get("mlFlowTrackingUri") or ""))
        if not address.netloc:
            return NOTHING  # a workspace without MLflow
        scheme = "https" if address.scheme == "azureml" else address.scheme
        found = self._workspace.get(f"{address.path.rstrip('/')}/api/2.0/mlflow/runs/get", run_id=run, version=None,
                                    host=f"{scheme}://{address.netloc}", doing=f"read what {run!r} has logged")
        data: Mapping[str, Any] = ((found or {}).get("run") or {}).get("data") or {}
        return Logged({key: float(value) for key, value in _pairs(data.get("metrics"))},  # "NaN" is one, too
                      {key: str(value) for key, value in _pairs(data.get("params"))})


def _pairs(told: Iterable[Mapping[str, Any]] | None) -> Iterable[tuple[str, Any]]:
    return [(str(one["key"]), one["value"]) for one in told or () if one.get("value") is not None]


__all__ = ["NOTHING", "Logged", "Measures"]
