"""AutoML jobs, task by task, as shapes: they are checked here and run on Azure only.

Source: the CLI v2 schemas of AutoML jobs, as azure-ai-ml 1.35 reads them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..shapes import ByForm, ByType, Flag, ListOf, MapOf, Number, OneOf, Plain, Record, Shape, Text
from .common import (
    ANY_MAP,
    JOB_COMMON,
    JOB_OUTPUTS,
    QUEUE_SETTINGS,
    RESOURCES,
    TEXT,
    table_input,
)
from .trials import EARLY_TERMINATION, SAMPLING_ALGORITHM, SPACE

_whole, _number, _flag = Number(whole=True), Number(), Flag()
_some = Plain()
_table_data = ByForm(scalar=TEXT, table=Record("an input", {**table_input.fields, "type": OneOf(("mltable",), folded=True)}))
_texts = ByForm(scalar=TEXT, items=ListOf(TEXT))


def _all(shape: Shape, *names: str) -> dict[str, Shape]:
    return dict.fromkeys(names, shape)


_job = {key: shape for key, shape in JOB_COMMON.items() if key != "inputs"}
_common: Mapping[str, Shape] = {
    **_job, "environment_id": TEXT, "environment_variables": MapOf(Text(numbers=True)), "outputs": JOB_OUTPUTS,
    "resources": RESOURCES, "queue_settings": QUEUE_SETTINGS, "task": TEXT,
    "log_verbosity": OneOf(("critical", "debug", "error", "info", "not_set", "warning"), folded=True),
    "training_data": _table_data, "validation_data": _table_data, "target_column_name": TEXT,
}

# --- tables ----------------------------------------------------------------------------------------------------------

_CLASSIFICATION_METRICS = OneOf(("accuracy", "auc_weighted", "average_precision_score_weighted", "norm_macro_recall",
                                 "precision_score_weighted"), folded=True)
_REGRESSION_METRICS = OneOf(("normalized_mean_absolute_error", "normalized_root_mean_squared_error", "r2_score",
                             "spearman_correlation"), folded=True)
_training = Record("training", {
    **_all(_flag, "enable_dnn_training", "enable_model_explainability", "enable_onnx_compatible_models",
           "enable_stack_ensemble", "enable_vote_ensemble"),
    "ensemble_model_download_timeout_minutes": _whole,
    "stack_ensemble_settings": Record("stack_ensemble_settings", {
        "stack_meta_learner_kwargs": ANY_MAP, "stack_meta_learner_train_percentage": _number,
        "stack_meta_learner_type": TEXT}),
    "training_mode": OneOf(("auto", "distributed", "non_distributed"), folded=True),
    "allowed_training_algorithms": ListOf(TEXT), "blocked_training_algorithms": ListOf(TEXT),
})
_tables: Mapping[str, Shape] = {
    **_common, "training": _training,
    "limits": Record("limits", {
        "enable_early_termination": _flag, "exit_score": _number,
        **_all(_whole, "max_concurrent_trials", "max_cores_per_trial", "max_nodes", "max_trials", "timeout_minutes",
               "trial_timeout_minutes")}),
    "featurization": Record("featurization", {
        "dataset_language": TEXT, "mode": ByForm(scalar=_some), "blocked_transformers": ListOf(TEXT),
        "column_name_and_types": MapOf(TEXT), "enable_dnn_featurization": _flag,
        "transformer_params": MapOf(ListOf(Record("a transformer", {"fields": ListOf(TEXT), "parameters": MapOf(_some)})))}),
    "validation_data_size": _number, "cv_split_column_names": ListOf(TEXT), "n_cross_validations": _some,
    "weight_column_name": TEXT, "test_data": _table_data, "test_data_size": _number,
}
_forecasting = Record("forecasting", {
    "country_or_region_for_holidays": TEXT, "cv_step_size": _whole, "forecast_horizon": _some,
    "target_lags": ByForm(scalar=_some, items=ListOf(_some)), "target_rolling_window_size": _some,
    "time_column_name": TEXT, "time_series_id_column_names": _texts, "frequency": TEXT, "feature_lags": TEXT,
    "seasonality": _some, "short_series_handling_config": TEXT, "use_stl": TEXT, "target_aggregate_function": TEXT,
    "features_unknown_at_forecast_time": _texts,
})

# --- text ------------------------------------------------------------------------------------------------------------

_sweep = Record("sweep", {"sampling_algorithm": SAMPLING_ALGORITHM, "early_termination": EARLY_TERMINATION},
                required=("sampling_algorithm",))
_searched = ByForm(scalar=_some, table=SPACE)
_searched_number = ByForm(scalar=_number, table=SPACE)
_NLP_NUMBERS = ("gradient_accumulation_steps", "learning_rate", "number_of_epochs", "training_batch_size",
                "validation_batch_size", "warmup_ratio", "weight_decay")
_NLP_WORDS = ("learning_rate_scheduler", "model_name")
_texts_of: Mapping[str, Shape] = {
    **_common, "sweep": _sweep,
    "limits": Record("limits", _all(_whole, "max_concurrent_trials", "max_nodes", "max_trials", "timeout_minutes",
                                    "trial_timeout_minutes")),
    "training_parameters": Record("training_parameters", {**_all(_number, *_NLP_NUMBERS), **_all(TEXT, *_NLP_WORDS)}),
    "search_space": ListOf(Record("a search space", {**_all(_searched_number, *_NLP_NUMBERS), **_all(_searched, *_NLP_WORDS)})),
    "featurization": Record("featurization", {"dataset_language": TEXT}),
}

# --- images ----------------------------------------------------------------------------------------------------------

_IMAGE_FLAGS = ("ams_gradient", "distributed", "early_stopping", "enable_onnx_normalization", "nesterov")
_IMAGE_NUMBERS = ("beta1", "beta2", "learning_rate", "momentum", "step_lr_gamma", "warmup_cosine_lr_cycles", "weight_decay")
_IMAGE_WHOLES = ("early_stopping_delay", "early_stopping_patience", "evaluation_frequency", "gradient_accumulation_step",
                 "layers_to_freeze", "number_of_epochs", "number_of_workers", "random_seed", "step_lr_step_size",
                 "training_batch_size", "validation_batch_size", "warmup_cosine_lr_warmup_epochs")
_IMAGE_WORDS = ("learning_rate_scheduler", "model_name", "optimizer")
_CLASSIFICATION = ("training_crop_size", "validation_crop_size", "validation_resize_size", "weighted_loss")
_DETECTION_WHOLES = ("box_detections_per_image", "image_size", "max_size", "min_size")
_DETECTION_NUMBERS = ("box_score_threshold", "nms_iou_threshold", "tile_overlap_ratio", "tile_predictions_nms_threshold",
                      "validation_iou_threshold")
_DETECTION_WORDS = ("model_size", "tile_grid_size", "validation_metric_type")
_image_parameters: Mapping[str, Shape] = {
    **_all(_flag, *_IMAGE_FLAGS), **_all(_number, *_IMAGE_NUMBERS), **_all(_whole, *_IMAGE_WHOLES),
    **_all(TEXT, *_IMAGE_WORDS, "advanced_settings", "checkpoint_run_id"), "checkpoint_frequency": _whole,
}
_image_spaces: Mapping[str, Shape] = {
    **_all(_searched, *_IMAGE_FLAGS, *_IMAGE_WORDS, "augmentations"), **_all(_searched_number, *_IMAGE_NUMBERS, *_IMAGE_WHOLES),
}
_images: Mapping[str, Shape] = {
    **_common, "sweep": _sweep, "test_data": _table_data, "test_data_size": _number, "validation_data_size": _number,
    "limits": Record("limits", _all(_whole, "max_concurrent_trials", "max_trials", "timeout_minutes")),
}
_classified: Mapping[str, Shape] = {
    **_images,
    "training_parameters": Record("training_parameters", {**_image_parameters, **_all(_whole, *_CLASSIFICATION)}),
    "search_space": ListOf(Record("a search space", {**_image_spaces, **_all(_searched_number, *_CLASSIFICATION)})),
}
_detected: Mapping[str, Shape] = {
    **_images,
    "training_parameters": Record("training_parameters", {
        **_image_parameters, **_all(_whole, *_DETECTION_WHOLES), **_all(_number, *_DETECTION_NUMBERS),
        **_all(TEXT, *_DETECTION_WORDS), "multi_scale": _flag, "log_training_metrics": _some,
        "log_validation_loss": _some}),
    "search_space": ListOf(Record("a search space", {
        **_image_spaces,
        **_all(_searched_number, *_DETECTION_WHOLES, *_DETECTION_NUMBERS),
        **_all(_searched, *_DETECTION_WORDS, "multi_scale")})),
}


def _task(fields: Mapping[str, Shape], metrics: Shape, target: bool = True, **more: Shape) -> Record:
    return Record("an AutoML job", {**fields, "primary_metric": metrics, **more},
                  required=("type", "target_column_name", "task") if target else ("type", "task"))


AUTOML_JOB = ByType("AutoML job", {
    "classification": _task(_tables, _CLASSIFICATION_METRICS, positive_label=TEXT),
    "regression": _task(_tables, _REGRESSION_METRICS),
    "forecasting": _task(_tables, _REGRESSION_METRICS, forecasting=_forecasting),
    "text_classification": _task(_texts_of, _CLASSIFICATION_METRICS),
    "text_classification_multilabel": _task(_texts_of, OneOf(("accuracy",), folded=True)),
    "text_ner": _task(_texts_of, OneOf(("accuracy",), folded=True), target=False),
    "image_classification": _task(_classified, _CLASSIFICATION_METRICS),
    "image_classification_multilabel": _task(_classified, OneOf((*_CLASSIFICATION_METRICS.words, "iou"), folded=True)),
    "image_object_detection": _task(_detected, OneOf(("mean_average_precision",), folded=True)),
    "image_instance_segmentation": _task(_detected, OneOf(("mean_average_precision",), folded=True)),
}, key="task", folded=True)
AUTOML_NODE = AUTOML_JOB
AUTOML_COMPONENT = Record("an AutoML component", {"type": TEXT, "name": TEXT, "task": TEXT}, open=True)
