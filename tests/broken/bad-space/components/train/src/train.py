import mlflow

mlflow.log_metric('auc', 0.9)
