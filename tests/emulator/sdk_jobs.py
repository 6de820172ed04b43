"""Jobs through the SDK: submitted, followed, looked at, downloaded."""

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient, load_component, load_job
from azure.ai.ml.entities import Job
from sdk_client import Streamed, run

FOLDER = Path(sys.argv[1])
NAMES: dict[str, str] = {}


def submit(client: MLClient, file: str, **more: Any) -> str:
    override = [{"environment_variables.GO": str(FOLDER / "go")}] if file == "command.yml" else None
    job = client.jobs.create_or_update(load_job(str(FOLDER / file), params_override=override), **more)
    NAMES[file] = str(job.name)
    return str(job.name)


def stream(client: MLClient, name: str) -> list[str]:
    with contextlib.redirect_stdout(Streamed(FOLDER / "go")) as text:
        client.jobs.stream(name)
    return text.getvalue().splitlines()


def wait(client: MLClient, name: str, *states: str) -> Any:
    while (status := client.jobs.get(name).status) not in states:
        time.sleep(0.05)
    return getattr(status, "value", status)  # a text, with older versions


def files(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def children(client: MLClient, name: str) -> dict[str, Any]:
    return {job.display_name: [job.status, dict(job.properties)] for job in client.jobs.list(parent_job_name=name)}


def nested(client: MLClient) -> Any:
    [second] = [job for job in client.jobs.list(parent_job_name=NAMES["pipeline.yml"]) if job.display_name == "second"]
    return children(client, second.name)


def child(client: MLClient) -> Any:
    [first] = [job for job in client.jobs.list(parent_job_name=NAMES["pipeline.yml"]) if job.display_name == "first"]
    client.jobs.download(first.name, download_path=str(FOLDER / "child"), all=True)
    return [type(client.jobs.get(first.name)).__name__, files(FOLDER / "child")]


def download(client: MLClient, file: str) -> dict[str, str]:
    folder = FOLDER / f"down-{file}"
    client.jobs.download(NAMES[file], download_path=str(folder), all=True)
    return files(folder)


def model(client: MLClient) -> dict[str, str]:
    client.models.download("kept-model", version="1", download_path=str(FOLDER / "model"))
    return files(FOLDER / "model")


def download_one(client: MLClient) -> dict[str, str]:
    client.jobs.download(NAMES["pipeline.yml"], download_path=str(FOLDER / "one"), output_name="final")
    return files(FOLDER / "one")


def failing(client: MLClient) -> Any:
    name = submit(client, "fails.yml")
    try:
        stream(client, name)
    finally:
        NAMES["fails"] = name


def tags(client: MLClient) -> Any:
    client.jobs.update(NAMES["pipeline.yml"], tags={"checked": "yes"}, display_name="other words")
    job = client.jobs.get(NAMES["pipeline.yml"])
    return [job.tags, job.display_name]


def archive(client: MLClient) -> Any:
    name = NAMES["command.yml"]
    client.jobs.archive(name)
    active = [job.name for job in client.jobs.list()]
    client.jobs.restore(name)
    return [name in active, name in [job.name for job in client.jobs.list()]]


def cancel(client: MLClient) -> Any:
    name = submit(client, "sleeps.yml")
    wait(client, name, "Running")
    while not any(status == "Running" for status, _ in children(client, name).values()):
        time.sleep(0.05)
    client.jobs.begin_cancel(name).result()
    return [wait(client, name, "Canceled", "Completed", "Failed"), children(client, name)]


def delete(client: MLClient) -> Any:
    client.jobs.begin_delete(NAMES["sleeps.yml"]).result()
    return client.jobs.get(NAMES["sleeps.yml"])


def registered(client: MLClient) -> Any:
    pairs = [*((found.name, client.data.get(found.name, label="latest")) for found in client.data.list()),
             *((found.name, client.models.get(found.name, label="latest")) for found in client.models.list())]
    return {name: [asset.version, asset.type, asset.path.rpartition("/datastores/")[2].split("/paths/")[0]]
            for name, asset in pairs if name.startswith("kept-")}


def used_again(client: MLClient) -> Any:
    """A job that reads what another has registered, by a component of the workspace."""
    client.components.create_or_update(load_component(str(FOLDER / "copy.yml")))
    name = submit(client, "again.yml")
    stream(client, name)
    return download(client, "again.yml")


def twice(client: MLClient) -> Any:
    job: Job = load_job(str(FOLDER / "command.yml"))
    job.name = NAMES["command.yml"]
    job.command = "echo other"
    return client.jobs.create_or_update(job)


STEPS = {
    "pipeline submit": lambda c: bool(submit(c, "pipeline.yml")),
    "pipeline name": lambda c: NAMES["pipeline.yml"],
    "pipeline stream": lambda c: stream(c, NAMES["pipeline.yml"]),
    "pipeline get": lambda c: [(job := c.jobs.get(NAMES["pipeline.yml"])).status, job.experiment_name, sorted(job.jobs)],
    "pipeline children": lambda c: children(c, NAMES["pipeline.yml"]),
    "pipeline nested": nested,
    "pipeline child": child,
    "pipeline download": lambda c: download(c, "pipeline.yml"),
    "pipeline download one": download_one,
    "registered": registered,
    "model": model,
    "again": used_again,
    "pipeline reuse": lambda c: [wait(c, submit(c, "pipeline.yml"), "Completed", "Failed"),
                                 {name: told for name, (_, told) in children(c, NAMES["pipeline.yml"]).items()},
                                 download(c, "pipeline.yml")],
    "command submit": lambda c: bool(submit(c, "command.yml")),
    "command stream": lambda c: stream(c, NAMES["command.yml"]),
    "command download": lambda c: download(c, "command.yml"),
    "command twice": twice,
    "failing": failing,
    "failing get": lambda c: c.jobs.get(NAMES["fails"]).status,
    "tags": tags,
    "archive": archive,
    "cancel": cancel,
    "delete": delete,
    "no compute": lambda c: submit(c, "elsewhere.yml"),
    "sweep submit": lambda c: bool(submit(c, "sweep.yml")),
    "sweep stream": lambda c: stream(c, NAMES["sweep.yml"]),
    "sweep children": lambda c: children(c, NAMES["sweep.yml"]),
    "sweep download": lambda c: download(c, "sweep.yml"),
    "sweep best": lambda c: c.jobs.get(NAMES["sweep.yml"]).properties,
}

if __name__ == "__main__":
    run(STEPS)
