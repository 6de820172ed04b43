"""Schedules through the SDK."""

import sys
import time
from pathlib import Path
from typing import Any

from azure.ai.ml import Input, MLClient, command, dsl
from azure.ai.ml.entities import CronTrigger, JobSchedule
from sdk_client import run

FOLDER = Path(sys.argv[1])


@dsl.pipeline(default_compute="cpu")
def scheduled() -> None:
    rows = Input(type="uri_folder", path=str(FOLDER / "rows"))
    echo = command(name="echo", code=str(FOLDER / "src"), command="bash echo.sh ${{inputs.rows}}/a.txt", environment="any@latest",
                   inputs={"rows": rows})  # fmt: skip
    echo()


def create(client: MLClient) -> Any:
    from azure.ai.ml.entities import Environment

    client.environments.create_or_update(Environment(name="any", version="1", image="python:3.12"))
    schedule = JobSchedule(
        name="nightly", trigger=CronTrigger(expression="0 2 * * *", time_zone="UTC"), create_job=scheduled(), description="at night"
    )
    made = client.schedules.begin_create_or_update(schedule).result()
    return [made.name, made.is_enabled, made.provisioning_state]


def get(client: MLClient) -> Any:
    found = client.schedules.get("nightly")
    return [found.trigger.expression, found.description, sorted(found.create_job.jobs)]


def switch(client: MLClient) -> Any:
    client.schedules.begin_disable("nightly").result()
    off = client.schedules.get("nightly").is_enabled
    enabled = [schedule.name for schedule in client.schedules.list()]
    client.schedules.begin_enable("nightly").result()
    return [off, enabled, client.schedules.get("nightly").is_enabled]


def trigger(client: MLClient) -> Any:
    name = client.schedules.trigger("nightly").job_name
    while (status := client.jobs.get(name).status) not in ("Completed", "Failed", "Canceled"):
        time.sleep(0.05)
    return [name.startswith("nightly_"), status]


def delete(client: MLClient) -> Any:
    client.schedules.begin_disable("nightly").result()
    client.schedules.begin_delete("nightly").result()
    return client.schedules.get("nightly")


STEPS = {
    "create": create,
    "create again": create,
    "get": get,
    "list": lambda c: [schedule.name for schedule in c.schedules.list()],
    "switch": switch,
    "trigger": trigger,
    "delete": delete,
}

if __name__ == "__main__":
    run(STEPS)
