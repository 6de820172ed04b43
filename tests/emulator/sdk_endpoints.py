"""Endpoints through the SDK: online ones that score, batch ones that make jobs."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from azure.ai.ml import Input, MLClient, Output, load_component
from azure.ai.ml.constants._endpoint import EndpointInvokeFields
from azure.ai.ml.entities import (
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    PipelineComponentBatchDeployment,
)
from sdk_client import run

DEFAULT_HEADER = EndpointInvokeFields.DEFAULT_HEADER
FOLDER = Path(sys.argv[1])
KEYS: dict[str, Any] = {}


def deployment(name: str, script: str = "score.py", endpoint: str = "shop", **more: Any) -> ManagedOnlineDeployment:
    told = {"model": "azureml:weights:1", "environment": "azureml:any:1", "instance_type": "Standard_DS3_v2", "instance_count": 1,
            "code_configuration": CodeConfiguration(code=str(FOLDER / "code"), scoring_script=script), **more}  # fmt: skip
    return ManagedOnlineDeployment(name=name, endpoint_name=endpoint, **told)


def assets(client: MLClient) -> Any:
    client.environments.create_or_update(Environment(name="any", version="1", image="python:3.12"))
    client.models.create_or_update(Model(name="weights", version="1", path=str(FOLDER / "weights.txt"), type="custom_model"))
    client.models.create_or_update(Model(name="tiny", version="1", path=str(FOLDER / "tiny"), type="mlflow_model"))


def create(client: MLClient) -> Any:
    made = client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="shop", auth_mode="key", tags={"a": "b"})).result()
    return [made.name, made.scoring_uri, made.provisioning_state, made.auth_mode, made.tags, made.traffic]


def deploy(client: MLClient) -> Any:
    more = {"environment_variables": {"GREETING": "hello", "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=x"}, "tags": {"colour": "blue"}}
    made = client.online_deployments.begin_create_or_update(deployment("blue", **more)).result()
    return [made.name, made.provisioning_state, made.instance_count, made.endpoint_name, made.tags]


def ask(client: MLClient, data: Any = None, endpoint: str = "shop", **more: Any) -> Any:
    file = FOLDER / "request.json"
    file.write_text(json.dumps({"rows": [1, 2]} if data is None else data))
    DEFAULT_HEADER.pop("azureml-model-deployment", None)  # where the SDK keeps, for later invocations too, what one has named
    return json.loads(client.online_endpoints.invoke(endpoint, request_file=str(file), **more))


def direct(client: MLClient, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> Any:
    endpoint = client.online_endpoints.get("shop")
    endpoint.traffic, endpoint.mirror_traffic = traffic, mirror or {}
    return client.online_endpoints.begin_create_or_update(endpoint).result()


def first(client: MLClient) -> Any:
    direct(client, {"blue": 100})
    return [client.online_endpoints.get("shop").traffic, ask(client)]


def beside(client: MLClient) -> Any:
    client.online_deployments.begin_create_or_update(deployment("green", "raw.py")).result()
    return [client.online_endpoints.get("shop").traffic, ask(client, deployment_name="green")]


def shared(client: MLClient) -> Any:
    direct(client, {"blue": 75, "green": 25})
    return sorted(ask(client)["by"] for _ in range(8))


def mirrored(client: MLClient) -> Any:
    direct(client, {"blue": 100}, {"green": 50})
    answers = [ask(client, {"rows": ["copied"]})["by"] for _ in range(4)]
    while (copies := client.online_deployments.get_logs("green", "shop", lines=100).count("asked ['copied']")) < 2:
        time.sleep(0.02)
    return [answers, copies, client.online_endpoints.get("shop").mirror_traffic]


def keys(client: MLClient) -> Any:
    before = client.online_endpoints.get_keys("shop")
    client.online_endpoints.begin_regenerate_keys("shop", key_type="primary").result()
    after = client.online_endpoints.get_keys("shop")
    KEYS.update(old=before.primary_key, new=after.primary_key)
    return [before.primary_key != after.primary_key, before.secondary_key == after.secondary_key, ask(client)["by"]]


def failing(client: MLClient) -> Any:
    try:
        client.online_deployments.begin_create_or_update(deployment("broken", "broken.py")).result()
    finally:
        KEYS["state"] = client.online_deployments.get("broken", "shop").provisioning_state
        KEYS["log"] = client.online_deployments.get_logs("broken", "shop", lines=3)


def names(client: MLClient) -> Any:
    return [[found.name for found in client.online_endpoints.list()], [found.name for found in client.online_deployments.list("shop")]]


def remove(client: MLClient) -> Any:
    direct(client, {"green": 100})
    client.online_deployments.begin_delete("blue", "shop").result()
    left = [found.name for found in client.online_deployments.list("shop")]
    client.online_endpoints.begin_delete("shop").result()
    return [left, [found.name for found in client.online_endpoints.list()]]


def signed_in(client: MLClient) -> Any:
    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="tiny", auth_mode="aad_token")).result()
    more = {"model": "azureml:tiny:1", "code_configuration": None, "environment": None}
    client.online_deployments.begin_create_or_update(deployment("model", endpoint="tiny", **more)).result()
    table = {"input_data": {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 2], [3, 4]]}}
    return [ask(client, table, "tiny", deployment_name="model"), bool(client.online_endpoints.get_keys("tiny").access_token)]


# --- batch -----------------------------------------------------------------------------------------------------------


def batch_create(client: MLClient) -> Any:
    made = client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="nightly", description="at night")).result()
    return [made.name, made.scoring_uri, made.auth_mode, made.description]


def batch_deploy(client: MLClient) -> Any:
    settings = ModelBatchDeploymentSettings(
        mini_batch_size=1, output_action="append_row", output_file_name="rows.csv", error_threshold=0, max_concurrency_per_instance=1,
        retry_settings=BatchRetrySettings(max_retries=1, timeout=30), environment_variables={"GREETING": "bye"})  # fmt: skip
    made = client.batch_deployments.begin_create_or_update(ModelBatchDeployment(
        name="model", endpoint_name="nightly", model="azureml:weights:1", environment="azureml:any:1", compute="cpu", settings=settings,
        code_configuration=CodeConfiguration(code=str(FOLDER / "code"), scoring_script="batch.py"))).result()  # fmt: skip
    endpoint = client.batch_endpoints.get("nightly")
    endpoint.defaults = {"deployment_name": "model"}
    client.batch_endpoints.begin_create_or_update(endpoint).result()
    return [made.name, made.provisioning_state, made.mini_batch_size, client.batch_endpoints.get("nightly").defaults.deployment_name]


def wait(client: MLClient, name: str) -> Any:
    while (status := client.jobs.get(name).status) not in ("Completed", "Failed", "Canceled"):
        time.sleep(0.05)
    return status


def batch_invoke(client: MLClient) -> Any:
    job = client.batch_endpoints.invoke("nightly", inputs={"rows": Input(type="uri_folder", path=str(FOLDER / "rows"))})
    status = wait(client, job.name)
    [step] = client.jobs.list(parent_job_name=job.name)
    client.jobs.download(step.name, download_path=str(FOLDER / "scored"), output_name="score")
    files = {file.relative_to(FOLDER / "scored").as_posix(): file.read_text() for file in (FOLDER / "scored").rglob("*") if file.is_file()}
    return [status, step.display_name, files]


def batch_pipeline(client: MLClient) -> Any:
    component = client.components.create_or_update(load_component(str(FOLDER / "pipeline.yml")))
    made = client.batch_deployments.begin_create_or_update(PipelineComponentBatchDeployment(
        name="pipeline", endpoint_name="nightly", component=component, settings={"default_compute": "cpu", "force_rerun": True})).result()  # fmt: skip
    place = "azureml://datastores/raw/paths/said/"
    inputs = {"word": Input(type="string", default="again"), "rows": Input(type="uri_folder", path=str(FOLDER / "rows"))}
    job = client.batch_endpoints.invoke(
        "nightly", deployment_name="pipeline", inputs=inputs, outputs={"said": Output(type="uri_folder", path=place)},
        experiment_name="nights")  # fmt: skip
    status = wait(client, job.name)
    client.jobs.download(job.name, download_path=str(FOLDER / "piped"), output_name="said")
    [text] = [file.read_text() for file in (FOLDER / "piped").rglob("said.txt")]
    KEYS["job"] = job.name
    return [made.name, status, text, client.jobs.get(job.name).experiment_name]


def batch_mlflow(client: MLClient) -> Any:
    client.batch_deployments.begin_create_or_update(ModelBatchDeployment(
        name="tiny", endpoint_name="nightly", model="azureml:tiny:1", compute="cpu", settings=ModelBatchDeploymentSettings(mini_batch_size=5))).result()  # fmt: skip
    file = Input(type="uri_file", path=str(FOLDER / "table.csv"))
    job = client.batch_endpoints.invoke("nightly", deployment_name="tiny", inputs={"table": file})
    status = wait(client, job.name)
    client.jobs.download(job.name, download_path=str(FOLDER / "tinied"), output_name="score")
    return [status, *[found.read_text() for found in (FOLDER / "tinied").rglob("predictions.csv")]]


def batch_jobs(client: MLClient) -> Any:
    every = [job.name for job in client.batch_endpoints.list_jobs("nightly")]
    return [len(every), [job.name == KEYS["job"] for job in client.batch_deployments.list_jobs("nightly", name="pipeline")]]


def batch_wrong(client: MLClient) -> Any:
    return client.batch_endpoints.invoke("nightly", deployment_name="pipeline", inputs={"wrod": Input(type="string", default="x")})


def batch_remove(client: MLClient) -> Any:
    client.batch_deployments.begin_delete("pipeline", "nightly").result()
    left = [found.name for found in client.batch_deployments.list("nightly")]
    client.batch_endpoints.begin_delete("nightly").result()
    return [left, [found.name for found in client.batch_endpoints.list()]]


STEPS = {
    "assets": assets,
    "early deploy": deploy,
    "create": create,
    "early traffic": lambda c: direct(c, {"blue": 100}),
    "deploy": deploy,
    "no traffic": ask,
    "first": first,
    "beside": beside,
    "shared": shared,
    "mirrored": mirrored,
    "too much": lambda c: direct(c, {"blue": 70}),
    "keys": keys,
    "logs": lambda c: c.online_deployments.get_logs("blue", "shop", lines=2).splitlines()[-1].split()[:3],
    "initializer": lambda c: c.online_deployments.get_logs("blue", "shop", lines=9, container_type="storage-initializer").split()[0],
    "failing": failing,
    "failed": lambda c: [KEYS["state"], KEYS["log"].strip().splitlines()[-1]],
    "model error": lambda c: ask(c, {"rows": "none"}),
    "teapot": lambda c: ask(c, {"status": 418}, deployment_name="green"),
    "names": names,
    "delete with traffic": lambda c: c.online_deployments.begin_delete("blue", "shop").result(),
    "remove": remove,
    "gone": lambda c: c.online_endpoints.get("shop"),
    "signed in": signed_in,
    "batch create": batch_create,
    "batch no default": lambda c: DEFAULT_HEADER.pop("azureml-model-deployment", None) and c.batch_endpoints.invoke("nightly", inputs={"x": Input(type="string", default="x")}),
    "batch deploy": batch_deploy,
    "batch invoke": batch_invoke,
    "batch pipeline": batch_pipeline,
    "batch mlflow": batch_mlflow,
    "batch jobs": batch_jobs,
    "batch wrong": batch_wrong,
    "batch delete default": lambda c: c.batch_deployments.begin_delete("model", "nightly").result(),
    "batch remove": batch_remove,
}

if __name__ == "__main__":
    run(STEPS)
