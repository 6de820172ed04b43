"""The SDK where datastores have account keys: it asks for them, and signs with them itself."""

import contextlib
import sys
from pathlib import Path
from typing import Any

from azure.ai.ml import Input, MLClient, command
from azure.ai.ml.entities import Data, Environment, Model
from sdk_client import Streamed, run

FOLDER = Path(sys.argv[1])
show = command(
    name="show", command="cat ${{inputs.rows}}/a.txt; until test -e $GO; do sleep 0.05; done", environment="any@latest",
    compute="cpu", inputs={"rows": Input(type="uri_folder", path=str(FOLDER / "rows"))},
    environment_variables={"GO": str(FOLDER / "go")},
)  # fmt: skip


def downloaded(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.rglob("*.txt"))]


def model(client: MLClient) -> Any:
    client.models.download("best", version="1", download_path=str(FOLDER / "model"))
    return downloaded(FOLDER / "model")


def stream(client: MLClient) -> Any:
    client.environments.create_or_update(Environment(name="any", version="1", image="python:3.12"))
    show.name = "streamed"
    client.jobs.create_or_update(show)
    with contextlib.redirect_stdout(Streamed(FOLDER / "go")) as text:
        client.jobs.stream("streamed")
    return "signed for" in text.getvalue().splitlines()


def download(client: MLClient) -> Any:
    client.jobs.download("streamed", download_path=str(FOLDER / "job"), all=True)
    return downloaded(FOLDER / "job")


STEPS = {
    "datastores.get_default": lambda c: type(c.datastores.get_default(include_secrets=True).credentials).__name__,
    "data.create": lambda c: c.data.create_or_update(Data(name="rows", path=str(FOLDER / "rows"), type="uri_folder")).version,
    "models.create": lambda c: c.models.create_or_update(Model(name="best", path=str(FOLDER / "rows"), type="custom_model")).version,
    "models.download": model,
    "stream": stream,
    "download": download,
}

if __name__ == "__main__":
    run(STEPS)
