"""What the programs beside this one share: an unmodified MLClient, keyless, and steps whose results are printed as JSON.

They are processes of their own, since the SDK takes seconds to import and warns on the way."""

import io
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from azure.ai.ml import MLClient  # noqa: E402
from azure.identity import DefaultAzureCredential  # noqa: E402

Step = Callable[[MLClient], Any]


def client() -> MLClient:
    stage = json.loads(os.environ["MLOPS_DEV_OUTPUTS"])
    place = stage["subscription_id"], stage["resource_group"], stage["workspace"]["name"]
    return MLClient(DefaultAzureCredential(), *place, show_progress=False)


class Streamed(io.StringIO):
    """What a job's stream prints; a job that waits for the file *go* goes on once its log has begun, not before."""

    def __init__(self, go: Path) -> None:
        super().__init__()
        self.go = go

    def write(self, text: str) -> int:
        if "Streaming" in self.getvalue():
            self.go.touch()
        return super().write(text)


def run(steps: dict[str, Step]) -> None:
    """Take every step, whatever becomes of those before it, and print what they gave and when."""
    made, told = client(), {}
    output, sys.stdout = sys.stdout, sys.stderr  # the SDK prints as it likes
    for name, step in steps.items():
        start = time.time()
        try:
            result = {"value": step(made)}
        except Exception as error:
            result = {"error": type(error).__name__, "message": str(error), "status": getattr(error, "status_code", None)}
        told[name] = {**result, "start": start, "end": time.time()}
    json.dump(told, output)
