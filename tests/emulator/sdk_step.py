"""What a step of a job has for variables, through the SDK."""

import tempfile
import time
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import Environment
from sdk_client import run


def variables(client: MLClient) -> Any:
    client.environments.create_or_update(Environment(name="any", version="1", image="python:3.12"))
    job = client.jobs.create_or_update(command(
        name="looks", command="echo $AZURE_TENANT_ID $AZURE_CLIENT_ID $HTTPS_PROXY", environment="any@latest", compute="cpu"))  # fmt: skip
    while client.jobs.get(job.name).status not in ("Completed", "Failed"):
        time.sleep(0.05)
    with tempfile.TemporaryDirectory() as folder:
        client.jobs.download(job.name, download_path=folder)
        [log] = Path(folder).rglob("std_log.txt")
        return log.read_text().split()


if __name__ == "__main__":
    run({"variables": variables})
