"""Sweep, parallel and Spark jobs and components, as shapes.

Source: the CLI v2 schemas sweepJob, parallelComponent, sparkComponent and sparkJob, as azure-ai-ml 1.35 reads them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..shapes import Anything, ByForm, ByType, Either, ListOf, MapOf, Number, OneOf, Plain, Record, Shape, Text
from .common import (
    ANY_MAP,
    COMMAND_KEYS,
    COMPONENT_COMMON,
    ENVIRONMENT_VALUE,
    JOB_COMMON,
    JOB_OUTPUTS,
    NODE_COMMON,
    PORT,
    PORT_HINT,
    QUEUE_SETTINGS,
    RESOURCE_KEYS,
    RESOURCES,
    TEXT,
    VARIABLES,
    command_component_keys,
    job_input,
    owner_of,
)

_whole = Number(whole=True)
_number = Number()

# --- sweep -----------------------------------------------------------------------------------------------------------


def _space(noun: str, words: tuple[str, ...], **parameters: Shape) -> dict[str, Shape]:
    record = Record(noun, {"type": OneOf(words, folded=True), **parameters}, required=("type", *parameters))
    return dict.fromkeys(words, record)


_bounds: Mapping[str, Shape] = {"min_value": _number, "max_value": _number}
_moments: Mapping[str, Shape] = {"mu": _number, "sigma": _number}
_spaces: Mapping[str, Shape] = {
    **_space("a uniform space", ("uniform", "loguniform"), **_bounds),
    **_space("a quantised uniform space", ("quniform", "qloguniform"), **_bounds, q=_number),
    **_space("a normal space", ("normal", "lognormal"), **_moments),
    **_space("a quantised normal space", ("qnormal", "qlognormal"), **_moments, q=_number),
    **_space("a random integer", ("randint",), upper=_whole),
}
# What one choice holds may be a space of its own for each of several parameters.
_inner = ByType("search space", {**_spaces, "choice": Record("a choice", {
    "type": OneOf(("choice",), folded=True), "values": ListOf(Anything())}, required=("type",))}, folded=True)
CHOICE = Record("a choice", {
    "type": OneOf(("choice",), folded=True),
    "values": ListOf(ByForm(scalar=Plain(), table=MapOf(ByForm(scalar=Plain(), table=_inner)))),
}, required=("type",))
SPACE = ByType("search space", {"choice": CHOICE, **_spaces}, folded=True)

SAMPLING_ALGORITHM = ByForm(
    scalar=OneOf(("bayesian", "grid", "random"), folded=True),
    table=ByType("sampling algorithm", {
        "random": Record("random sampling", {
            "type": TEXT, "seed": _whole, "logbase": Plain(), "rule": OneOf(("random", "sobol"), folded=True)}),
        "grid": Record("grid sampling", {"type": TEXT}),
        "bayesian": Record("bayesian sampling", {"type": TEXT}),
    }, folded=True),
)
_policy_keys: Mapping[str, Shape] = {"type": TEXT, "evaluation_interval": _whole, "delay_evaluation": _whole}
EARLY_TERMINATION = ByType("early termination", {
    "bandit": Record("a bandit policy", {**_policy_keys, "slack_factor": _number, "slack_amount": _number}),
    "median_stopping": Record("a median stopping policy", _policy_keys),
    "truncation_selection": Record("a truncation selection policy", {**_policy_keys, "truncation_percentage": _whole},
                                   required=("truncation_percentage",)),
}, folded=True)
OBJECTIVE = Record("an objective", {"goal": OneOf(("maximize", "minimize"), folded=True), "primary_metric": TEXT},
                   required=("goal", "primary_metric"))
_limits = Record("the limits of a sweep", {
    "max_total_trials": _whole, "max_concurrent_trials": _whole, "timeout": _whole, "trial_timeout": _whole,
}, required=("max_total_trials",))
_sweep_keys: Mapping[str, Shape] = {
    "sampling_algorithm": SAMPLING_ALGORITHM, "search_space": MapOf(SPACE), "objective": OBJECTIVE,
    "early_termination": EARLY_TERMINATION, "limits": _limits, "queue_settings": QUEUE_SETTINGS, "resources": RESOURCES,
}
_trial = Record("a trial", {**COMMAND_KEYS, "resources": RESOURCES}, required=("command", "environment"), elsewhere=owner_of)
SWEEP_JOB = Record("a sweep job", {
    **JOB_COMMON, **_sweep_keys, "type": OneOf(("sweep",), folded=True), "outputs": JOB_OUTPUTS, "trial": _trial,
}, required=("objective", "limits", "type", "trial"), elsewhere=owner_of)
SWEEP_NODE = Record("a sweep job", {
    **NODE_COMMON, **_sweep_keys,
    "trial": ByForm(scalar=TEXT, table=Record("a trial", {**command_component_keys, **_trial.fields},
                                              required=("command", "environment"), elsewhere=owner_of)),
}, required=("objective", "limits", "trial"), elsewhere=owner_of)

# What a project's settings say of a sweep: the pipeline that is assembled says the rest.
SWEEP_SETTINGS = Record("a sweep", {
    key: _sweep_keys[key] for key in ("sampling_algorithm", "search_space", "objective", "early_termination", "limits")
}, required=("search_space", "objective", "limits"))

# --- parallel --------------------------------------------------------------------------------------------------------

TASK = Record("a task", {
    "type": OneOf(("function", "model", "run_function"), folded=True), "code": TEXT, "entry_script": TEXT,
    "program_arguments": TEXT, "model": TEXT, "append_row_to": TEXT, "environment": ENVIRONMENT_VALUE,
}, required=("type", "environment"))
RETRY_SETTINGS = Record("retry_settings", {"timeout": _whole, "max_retries": _whole})
_parallel_keys: Mapping[str, Shape] = {
    "logging_level": OneOf(("DEBUG", "INFO", "WARNING")), "task": TASK, "mini_batch_size": Text(numbers=True),
    "partition_keys": ListOf(TEXT), "input_data": TEXT, "retry_settings": RETRY_SETTINGS,
    "max_concurrency_per_instance": _whole, "error_threshold": _whole, "mini_batch_error_threshold": _whole,
}
parallel_component_keys: Mapping[str, Shape] = {
    **{key: shape for key, shape in COMPONENT_COMMON.items() if key != "additional_includes"}, **_parallel_keys,
    "type": OneOf(("parallel",), folded=True),
    "resources": Record("resources", RESOURCE_KEYS, open=True),
}
PARALLEL_COMPONENT = Record("a parallel component", parallel_component_keys, required=("name", "type"), elsewhere=owner_of)
_flow = Record("a flow component", {
    **COMPONENT_COMMON, "type": TEXT, "environment": ENVIRONMENT_VALUE, "variant": TEXT, "code": TEXT,
    "column_mappings": MapOf(TEXT), "connections": MapOf(MapOf(TEXT)), "environment_variables": MapOf(TEXT),
})
# A flow, which parallel jobs run as well, has inputs like ``connections.NODE.deployment_name``.
_node_inputs = MapOf(job_input, key_pattern=rf"{PORT}(?:\.{PORT})*", key_hint=PORT_HINT)
PARALLEL_NODE = Record("a parallel job", {
    **NODE_COMMON, **_parallel_keys, "inputs": _node_inputs, "resources": RESOURCES, "environment_variables": VARIABLES,
    "environment": ENVIRONMENT_VALUE,
    "component": ByForm(scalar=TEXT, table=ByType("component", {
        "parallel": Record("a parallel component", parallel_component_keys, elsewhere=owner_of),
        "promptflow_parallel": _flow,
    }, folded=True)),
}, elsewhere=owner_of)
PARALLEL_JOB = Record("a parallel job", {
    **JOB_COMMON, **_parallel_keys, "type": OneOf(("parallel",), folded=True), "resources": RESOURCES,
    "environment_variables": VARIABLES, "outputs": JOB_OUTPUTS,
}, elsewhere=owner_of)

# --- Spark -----------------------------------------------------------------------------------------------------------

_entry = Either((Record("an entry", {"file": TEXT}, required=("file",)),
                 Record("an entry", {"class_name": TEXT}, required=("class_name",))))
_spark_keys: Mapping[str, Shape] = {
    "code": TEXT, "entry": _entry, "py_files": ListOf(TEXT), "jars": ListOf(TEXT), "files": ListOf(TEXT),
    "archives": ListOf(TEXT), "conf": ANY_MAP, "environment": ENVIRONMENT_VALUE, "args": TEXT,
}
spark_component_keys: Mapping[str, Shape] = {**COMPONENT_COMMON, **_spark_keys, "type": OneOf(("spark",), folded=True)}
SPARK_COMPONENT = Record("a Spark component", spark_component_keys, required=("entry", "name"), elsewhere=owner_of)
_spark_resources = Record("resources", {"instance_type": TEXT, "runtime_version": Text(numbers=True)})
SPARK_JOB = Record("a Spark job", {
    **JOB_COMMON, **_spark_keys, "type": OneOf(("spark",), folded=True), "properties": ANY_MAP, "outputs": JOB_OUTPUTS,
    "resources": _spark_resources,
}, required=("entry", "type"), elsewhere=owner_of)
SPARK_NODE = Record("a Spark job", {
    **NODE_COMMON, **_spark_keys, "properties": ANY_MAP, "resources": _spark_resources,
    "component": ByForm(scalar=TEXT, table=Record("a Spark component", spark_component_keys, elsewhere=owner_of)),
}, elsewhere=owner_of)
