"""A deployment of an online endpoint: what it is made of, and the name that follows from that."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from . import code
from .servable import Servable

# Tags of a deployment of ours: what it is made of, and its model.
KEY, MODEL = "mlops_key", "mlops_model"
IMAGE: Final = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
_LONGEST: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """Where and how a model is to be served.

    Attributes:
        instance_type: The size of the virtual machines; on Kubernetes the name of an instance type there, or empty.
        workers: How many processes answer in each instance, one request at a time each.
        compute: The name of a Kubernetes compute; None for a managed endpoint.
        steps: The shares of the traffic that it gets, one after the other; the last is 100.
        watch: Seconds for which each step is watched.
        errors: The share of failed requests that is still borne, from 0 to 1.
        start: Seconds that a deployment may take until it serves.
        keep: Whether one that failed is kept, without traffic.
    """

    endpoint: str
    auth: str = "aad_token"
    instance_type: str = ""
    instances: int = 1
    workers: int = 1
    compute: str | None = None
    steps: tuple[int, ...] = (10, 50, 100)
    watch: float = 60.0
    errors: float = 0.01
    start: float = 1800.0
    keep: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """A deployment to come. The same model, code and wishes have the same name, so that it is found again.

    Attributes:
        name: In its endpoint.
        key: The digest of all that it is made of.
        sample: A request with which it is tried.
        files: Its code folder.
        conda: Its environment's conda file.
        model: The model's name and version.
        variables: Its environment variables.
    """

    name: str
    key: str
    model: str
    sample: Mapping[str, Any]
    files: Mapping[str, bytes] = field(repr=False)
    conda: Mapping[str, Any]
    variables: Mapping[str, str]

    @property
    def code_name(self) -> str:
        """The name of its code as an asset."""
        whole = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        return f"mlops-serving-{whole.hexdigest()[:24]}"

    @property
    def environment_name(self) -> str:
        """The name of its environment as an asset."""
        return f"mlops-serving-{_digest([IMAGE, self.conda])[:24]}"


def describe(model: Servable, sample: Mapping[str, Any], wish: Wish) -> Deployment:
    """The deployment of a model.

    Args:
        model: Its files, here.
        sample: A request that it must be able to answer.
        wish: Where and how.
    """
    files = code.files(model, sample)
    python = f"python={model.python}" if model.python else "python=3.11"
    conda = {"name": "serving", "channels": ["conda-forge"],
             "dependencies": [python, "pip", {"pip": list(model.requirements)}]}
    # Without the second the server would send all its answers to Application Insights.
    variables = {"MLOPS_MODEL": str(model), "APP_INSIGHTS_LOG_RESPONSE_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
                 "WORKER_COUNT": str(wish.workers)}
    key = _digest([str(model), {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}, IMAGE, conda,
                   variables, wish.instance_type, wish.instances, wish.compute])
    version = re.sub(r"[^a-z0-9]+", "-", model.version.lower()).strip("-")[: _LONGEST - 12]
    return Deployment(name=f"m{version}-{key[:8]}", key=key, model=str(model), sample=sample, files=files, conda=conda,
                      variables=variables)


def shares(before: Mapping[str, int], name: str, share: int) -> Mapping[str, int]:
    """The traffic with *share* percent for *name*, and the rest divided among the others as it was *before*.

    Args:
        before: Shares that add up to 100, or none.
        name: The deployment that takes over.
        share: From 1 to 100.
    """
    others = divided(100 - share, {other: part for other, part in before.items() if other != name})
    return {**others, name: share if others or share == 100 else 100}


def divided(whole: int, parts: Mapping[str, int]) -> Mapping[str, int]:
    """*whole* percent in the proportions of *parts*, as whole numbers; those that would get none are left out."""
    total = sum(parts.values())
    if not total or not whole:
        return {}
    exact = {name: whole * part / total for name, part in parts.items()}
    found = {name: int(part) for name, part in exact.items()}
    # What was cut off goes to those that lost the most of it.
    for name in sorted(exact, key=lambda name: found[name] - exact[name])[: whole - sum(found.values())]:
        found[name] += 1
    return {name: part for name, part in found.items() if part}


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
