"""Schedules of jobs, of data imports and of monitors, as shapes.

Source: the CLI v2 schemas schedule, monitorSchedule and dataImportSchedule, as azure-ai-ml 1.35 reads them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..shapes import Anything, ByForm, ByType, Flag, ListOf, MapOf, Number, OneOf, Record, Shape, Text
from .common import (
    ANY_MAP,
    COMMAND_KEYS,
    ENVIRONMENT_VALUE,
    JOB_COMMON,
    JOB_OUTPUTS,
    LOOSE_TAGS,
    PIPELINE_JOB,
    PIPELINE_SETTINGS,
    RESOURCES,
    TEXT,
    job_input,
)

_whole = Number(whole=True)
_number = Number()
_moment = ByForm(scalar=Anything())  # a time in quotes, or bare: YAML makes a date of it, which Azure ML takes as well
_times: Mapping[str, Shape] = {"type": TEXT, "start_time": _moment, "end_time": _moment, "time_zone": TEXT}
_WEEK_DAYS = OneOf(("friday", "monday", "saturday", "sunday", "thursday", "tuesday", "wednesday"), folded=True)


def _one_or_more(shape: Shape) -> Shape:
    return ByForm(scalar=shape, items=ListOf(shape))


TRIGGER = ByType("trigger", {
    "cron": Record("a cron trigger", {**_times, "expression": TEXT}, required=("expression",)),
    "recurrence": Record("a recurrence trigger", {
        **_times, "frequency": OneOf(("day", "hour", "minute", "month", "week"), folded=True), "interval": _whole,
        "schedule": Record("a recurrence", {
            "hours": _one_or_more(_whole), "minutes": _one_or_more(_whole), "week_days": _one_or_more(_WEEK_DAYS),
            "month_days": _one_or_more(_whole),
        }, required=("hours", "minutes")),
    }, required=("frequency", "interval")),
}, folded=True)
_common: Mapping[str, Shape] = {
    "$schema": TEXT, "name": TEXT, "id": TEXT, "description": TEXT, "tags": LOOSE_TAGS, "display_name": TEXT,
    "trigger": TRIGGER, "properties": MapOf(Text(empty=True, numbers=True)), "creation_context": Anything(),
    "provisioning_state": TEXT,
}
_job_keys: Mapping[str, Shape] = {**JOB_COMMON, "job": TEXT, "inputs": MapOf(job_input), "outputs": JOB_OUTPUTS}
_create_job = ByForm(scalar=TEXT, table=ByType("create_job", {
    # A pipeline job's own keys may stand here as well as the changes to a job that ``job`` names.
    "pipeline": Record("create_job", {**PIPELINE_JOB.fields, **_job_keys, "settings": PIPELINE_SETTINGS}),
    "command": Record("create_job", {**_job_keys, **COMMAND_KEYS, "resources": RESOURCES, "limits": ANY_MAP}),
    "spark": Record("create_job", {**_job_keys, "conf": ANY_MAP, "environment": ENVIRONMENT_VALUE}),
}, folded=True))

# --- monitors --------------------------------------------------------------------------------------------------------

_window = Record("a data window", {
    "window_start": TEXT, "window_end": TEXT, "lookback_window_size": TEXT, "lookback_window_offset": TEXT})
_context = OneOf(("ground_truth", "model_inputs", "model_outputs", "test", "training", "validation"), folded=True)
_data_keys: Mapping[str, Shape] = {
    "input_data": job_input, "data_context": _context, "pre_processing_component": TEXT, "data_window": _window,
    "data_column_names": MapOf(TEXT),
}
_production = Record("production data", _data_keys)
_reference = Record("reference data", _data_keys)
_language = Record("production data", {"input_data": job_input, "data_column_names": ANY_MAP, "data_window": _window})
_features = ByForm(scalar=OneOf(("all_features",), folded=True), items=ListOf(TEXT),
                   table=Record("a feature filter", {"top_n_feature_importance": _whole}))


def _metrics(*names: str) -> Record:
    return Record("metrics", dict.fromkeys(names, _number))


def _thresholds(**more: Shape) -> Record:
    return Record("metric_thresholds", {"threshold": _number, **more})


_drift = _thresholds(
    data_type=OneOf(("categorical", "numerical"), folded=True),
    numerical=_metrics("jensen_shannon_distance", "normalized_wasserstein_distance", "population_stability_index",
                       "two_sample_kolmogorov_smirnov_test"),
    categorical=_metrics("jensen_shannon_distance", "population_stability_index", "pearsons_chi_squared_test"))
_quality_metrics = _metrics("null_value_rate", "data_type_error_rate", "out_of_bounds_rate")
_signal_keys: Mapping[str, Shape] = {"type": TEXT, "alert_enabled": Flag(), "properties": ANY_MAP}
_both: Mapping[str, Shape] = {**_signal_keys, "production_data": _production, "reference_data": _reference}
_by_feature: Mapping[str, Shape] = {**_both, "features": _features, "feature_type_override": ANY_MAP}
_segment = Record("a data segment", {"feature_name": TEXT, "feature_values": ListOf(TEXT)})
_SIGNAL = ByType("monitoring signal", {
    "data_drift": Record("a data drift signal", {**_by_feature, "metric_thresholds": _drift, "data_segment": _segment}),
    "data_quality": Record("a data quality signal", {**_by_feature, "metric_thresholds": _thresholds(
        data_type=OneOf(("categorical", "numerical"), folded=True), numerical=_quality_metrics,
        categorical=_quality_metrics)}),
    "prediction_drift": Record("a prediction drift signal", {**_both, "metric_thresholds": _drift}),
    "feature_attribution_drift": Record("a feature attribution drift signal", {
        **_both, "production_data": ListOf(_production),
        "metric_thresholds": _thresholds(normalized_discounted_cumulative_gain=_number)}),
    "model_performance": Record("a model performance signal", {
        **_both, "data_segment": _segment, "metric_thresholds": _thresholds(
            classification=_metrics("accuracy", "precision", "recall"), regression=_metrics("mae", "mse", "rmse"))}),
    "custom": Record("a custom signal", {
        **_signal_keys, "connection": Anything(), "component_id": TEXT, "input_data": MapOf(_reference),
        "metric_thresholds": ListOf(Record("metric_thresholds", {"threshold": _number, "metric_name": TEXT})),
        "inputs": MapOf(job_input)}),
    "generation_safety_quality": Record("a generation safety quality signal", {
        **_signal_keys, "production_data": ListOf(_language), "connection_id": TEXT, "sampling_rate": _number,
        "metric_thresholds": Record("metric_thresholds", dict.fromkeys(
            ("groundedness", "relevance", "coherence", "fluency", "similarity"), MapOf(_number)))}),
    "generation_token_statistics": Record("a generation token statistics signal", {
        **_signal_keys, "production_data": _language, "sampling_rate": _number,
        "metric_thresholds": Record("metric_thresholds", {"totaltoken": MapOf(_number)})}),
}, folded=True)
_monitor = Record("create_monitor", {
    "compute": Record("compute", {"compute_type": TEXT, "runtime_version": TEXT, "instance_type": TEXT}),
    "monitoring_target": Record("monitoring_target", {
        "model_id": TEXT, "endpoint_deployment_id": TEXT,
        "ml_task": OneOf(("classification", "questionanswering", "regression"), folded=True)}),
    "monitoring_signals": MapOf(_SIGNAL),
    "alert_notification": ByForm(scalar=OneOf(("azmonitoring",), folded=True),
                                 table=Record("alert_notification", {"emails": ListOf(TEXT)})),
})

SCHEDULE = Record("a schedule", {
    **_common, "create_job": _create_job, "create_monitor": _monitor, "import_data": ByForm(scalar=TEXT, table=Anything()),
}, required=("name",))
