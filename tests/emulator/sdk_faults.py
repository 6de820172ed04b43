"""What the SDK makes of faults: each step says of its operation what came of it."""

import sys
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient, load_job
from azure.ai.ml.entities import Data
from sdk_client import run

FOLDER = Path(sys.argv[1])


def submit(client: MLClient) -> Any:
    job = load_job(str(FOLDER / "job.yml"))
    job.name = "lost-answer"
    return client.jobs.create_or_update(job).name


def upload(client: MLClient) -> Any:
    return client.data.create_or_update(Data(name="denied", version="1", path=str(FOLDER / "rows" / "a.txt"), type="uri_file")).name


STEPS = {
    "busy, then well": lambda c: c.compute.get("cpu").name,
    "answer lost": submit,
    "storage denied": upload,
    "quota": lambda c: c.compute.begin_create_or_update(c.compute.get("cpu")).result(),
}

if __name__ == "__main__":
    run(STEPS)
