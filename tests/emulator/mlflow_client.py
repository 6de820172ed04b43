"""What a notebook does with the MLflow of a workspace, with the packages that the example's environment pins."""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import mlflow  # noqa: E402

address, job = sys.argv[1:]
mlflow.set_tracking_uri(address)
mlflow.set_experiment("notebook")
with mlflow.start_run(run_name="by hand") as run:
    mlflow.log_metric("auc", 0.5)
    mlflow.log_metrics({"auc": 0.75, "loss": 0.25}, step=1)
    mlflow.log_param("rate", 0.1)
    mlflow.set_tag("who", "me")
client = mlflow.tracking.MlflowClient()
mine, theirs = client.get_run(run.info.run_id), client.get_run(job)
[found] = mlflow.search_runs(experiment_names=["notebook"], output_format="list")
print(json.dumps({
    "status": mine.info.status, "metrics": mine.data.metrics, "params": mine.data.params, "who": mine.data.tags["who"],
    "history": [point.value for point in client.get_metric_history(run.info.run_id, "auc")],
    "found": found.info.run_id == run.info.run_id,
    "job": [theirs.info.run_id, theirs.info.status, theirs.data.metrics, theirs.data.params, theirs.data.tags["mlflow.runName"]],
}))
