"""What Terraform made of a stage, as a value; ``sources`` finds its outputs."""

from __future__ import annotations

from .contract import SCHEMA_VERSION, Compute, Datastore, Stage, Used, missing, read

__all__ = ["SCHEMA_VERSION", "Compute", "Datastore", "Stage", "Used", "missing", "read"]
