import mlflow

mlflow.log_metric('auc_roc', 0.9)
