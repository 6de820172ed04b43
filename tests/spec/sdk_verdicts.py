"""Reads documents as JSON, [[kind, YAML], …], and prints which of them azure-ai-ml's own loading refuses, with its words."""

import io
import json
import logging
import sys
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import azure.ai.ml as sdk  # noqa: E402
from azure.ai.ml.entities._load_functions import load_schedule  # noqa: E402

LOADERS = {
    "component": sdk.load_component, "job": sdk.load_job, "environment": sdk.load_environment, "data": sdk.load_data,
    "model": sdk.load_model, "datastore": sdk.load_datastore, "schedule": load_schedule,
    "online endpoint": sdk.load_online_endpoint, "batch endpoint": sdk.load_batch_endpoint,
    "online deployment": sdk.load_online_deployment, "batch deployment": sdk.load_batch_deployment,
}  # fmt: skip


def main() -> None:
    refused = []
    for kind, text in json.load(sys.stdin):
        load = LOADERS.get(kind) or LOADERS[kind.rpartition(" ")[2]]
        stream = io.StringIO(text)
        stream.name = "/tmp/document.yml"
        try:
            load(stream)
            refused.append("")
        except Exception as error:
            refused.append(f"{type(error).__name__}: {error}")
    json.dump(refused, sys.stdout)


if __name__ == "__main__":
    main()
