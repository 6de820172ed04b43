"""What Terraform made of a stage, as a value; ``sources`` finds its outputs, ``declared`` what its files promise."""

from __future__ import annotations

from .contract import SCHEMA_VERSION, Compute, Datastore, Identity, PowerSchedule, Stage, Used, missing, read

__all__ = ["SCHEMA_VERSION", "Compute", "Datastore", "Identity", "PowerSchedule", "Stage", "Used", "missing", "read"]
