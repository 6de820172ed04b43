"""Azure ML pipelines, compiled in milliseconds, run on this machine or unchanged on Azure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dsl import PipelineCall, pipeline
    from .engines import Run
    from .errors import Canceled, CompileError, InputError, JobError, MlopsError, Refused, RunError, StageError
    from .project import Project

__version__ = "0.1.0"

_HOME = {
    "Canceled": "errors", "CompileError": "errors", "InputError": "errors", "JobError": "errors", "MlopsError": "errors",
    "PipelineCall": "dsl", "Project": "project", "Refused": "errors", "Run": "engines", "RunError": "errors",
    "StageError": "errors", "pipeline": "dsl",
}

__all__ = ["Canceled", "CompileError", "InputError", "JobError", "MlopsError", "PipelineCall", "Project", "Refused", "Run",
           "RunError", "StageError", "pipeline"]


def __getattr__(name: str) -> Any:
    # Loaded when first used: importing the package costs nothing, and `mlops --help` answers at once.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
