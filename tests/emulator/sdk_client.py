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
from enum import Enum
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from azure.ai.ml import MLClient  # noqa: E402
from azure.identity import DefaultAzureCredential  # noqa: E402

Step = Callable[[MLClient], Any]


def bring_named_outputs() -> None:
    """Let azure-ai-ml 1.35.0 to 1.35.2 do what the versions before and after do.

    They do not know the names that the run history has for types of data, and so bring no named output: azure-sdk-for-python#48941.
    """
    from azure.ai.ml.operations import _job_ops_helper as theirs

    if {kind.value for kind in theirs.DataType} == {"uri_file", "uri_folder", "mltable"}:
        words = {"FILE": "UriFile", "FOLDER": "UriFolder", "TABLE": "MLTable", "URI_FOLDER": "uri_folder"}  # the last is for streams
        theirs.DataType = Enum("DataType", words, type=str)


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
    bring_named_outputs()
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
