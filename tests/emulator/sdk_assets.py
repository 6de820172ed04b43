"""Workspaces, datastores, computes and assets, through the SDK."""

import sys
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient, load_component
from azure.ai.ml.entities import AmlCompute, AzureBlobDatastore, Data, Environment, Model
from sdk_client import run

FOLDER = Path(sys.argv[1])
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"


def named(asset: Any) -> list[str]:
    return [asset.name, asset.version]


def environment(version: str | None = "1", image: str = IMAGE) -> Environment:
    return Environment(name="py", version=version, image=image, conda_file={"dependencies": ["python=3.11"]})


def data(version: str | None) -> Data:
    return Data(name="rows", version=version, path=str(FOLDER / "rows"), type="uri_folder")


def model(version: str | None) -> Model:
    return Model(name="best", version=version, path=str(FOLDER / "model"), type="mlflow_model")


def component(client: MLClient) -> Any:
    made = client.components.create_or_update(load_component(str(FOLDER / "component.yml")))
    return [*named(made), made.code.rpartition("/codes/")[2].split("/")[0], made.environment.rpartition("/providers/")[2]]


def described(client: MLClient) -> Any:
    asset = client.data.get("rows", "1")
    asset.tags = {"checked": "yes"}
    client.data.create_or_update(asset)
    return client.data.get("rows", "1").tags


def downloaded(client: MLClient) -> Any:
    client.models.download("best", version="1", download_path=str(FOLDER / "down"))
    return sorted(path.relative_to(FOLDER / "down").as_posix() for path in (FOLDER / "down").rglob("*") if path.is_file())


def archived(client: MLClient) -> Any:
    client.models.archive("best", version="1")
    rest = [found.version for found in client.models.list("best")]
    client.models.restore("best", version="1")
    return [rest, sorted(found.version for found in client.models.list("best"))]


def blob_store(client: MLClient) -> Any:
    account = client.datastores.get("raw").account_name
    return client.datastores.create_or_update(
        AzureBlobDatastore(name="more", account_name=account, container_name="more", description="more of it")).name


def compute(client: MLClient) -> Any:
    made = client.compute.begin_create_or_update(AmlCompute(name="gpu", size="STANDARD_NC6", max_instances=2)).result()
    made.max_instances = 3
    return [made.name, made.provisioning_state, client.compute.begin_update(made).result().max_instances]


STEPS = {
    "workspaces.get": lambda c: c.workspaces.get().location,
    "workspaces.list": lambda c: [found.name for found in c.workspaces.list()],
    "datastores.get_default": lambda c: [c.datastores.get_default(include_secrets=True).name,
                                         type(c.datastores.get_default().credentials).__name__],
    "datastores.get": lambda c: c.datastores.get("raw").container_name,
    "datastores.create": blob_store,
    "datastores.list": lambda c: [found.name for found in c.datastores.list()],
    "datastores.delete": lambda c: c.datastores.delete("more"),
    "compute.get": lambda c: c.compute.get("cpu").size,
    "compute.create": compute,
    "compute.list": lambda c: [found.name for found in c.compute.list()],
    "compute.delete": lambda c: c.compute.begin_delete("gpu").result(),
    "compute.get absent": lambda c: c.compute.get("gpu"),
    "environments.create": lambda c: named(c.environments.create_or_update(environment())),
    "environments.create other": lambda c: c.environments.create_or_update(environment(image="python:3.12")),
    "environments.get": lambda c: c.environments.get("py", "1").image,
    "environments.get latest": lambda c: named(c.environments.get("py", label="latest")),
    "environments.list": lambda c: [found.name for found in c.environments.list()],
    "environments.list name": lambda c: [found.version for found in c.environments.list("py")],
    "data.create": lambda c: named(c.data.create_or_update(data("1"))),
    "data.create next": lambda c: named(c.data.create_or_update(data(None))),
    "data.create other": lambda c: c.data.create_or_update(
        Data(name="rows", version="1", path="azureml://datastores/raw/paths/elsewhere", type="uri_folder")),
    "data.describe": described,
    "data.get": lambda c: c.data.get("rows", "1").path.rpartition("/datastores/")[2].split("/")[0],
    "data.get latest": lambda c: named(c.data.get("rows", label="latest")),
    "data.get absent": lambda c: c.data.get("rows", "9"),
    "data.list": lambda c: [found.name for found in c.data.list()],
    "components.create": component,
    "components.create again": component,
    "components.get": lambda c: named(c.components.get("echo", "1")),
    "components.get default": lambda c: named(c.components.get("echo")),
    "components.get latest": lambda c: named(c.components.get("echo", label="latest")),
    "components.list": lambda c: [found.name for found in c.components.list()],
    "models.create": lambda c: named(c.models.create_or_update(model("1"))),
    "models.create next": lambda c: named(c.models.create_or_update(model(None))),
    "models.get": lambda c: c.models.get("best", "1").type,
    "models.get latest": lambda c: named(c.models.get("best", label="latest")),
    "models.list": lambda c: [found.name for found in c.models.list()],
    "models.list name": lambda c: [found.version for found in c.models.list("best")],
    "models.download": downloaded,
    "models.archive": archived,
    "data.create first": lambda c: named(c.data.create_or_update(
        Data(name="fresh", path=str(FOLDER / "rows"), type="uri_folder"))),
    "models.create first": lambda c: named(c.models.create_or_update(
        Model(name="fresh", path=str(FOLDER / "model"), type="mlflow_model"))),
    "connections": lambda c: [found.name for found in c.connections.list()],
}

if __name__ == "__main__":
    run(STEPS)
