"""What the SDK sends of a job, back into Azure ML's YAML: values in, values out.

The REST API says the same as the YAML in other words: camel case at the top of a job, ids instead of files, durations instead
of seconds. Where outputs go and what they are called is left out here: that is settled when they exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

_MODES = {"readonlymount": "ro_mount", "readwritemount": "rw_mount", "download": "download", "direct": "direct",
          "evalmount": "eval_mount", "evaldownload": "eval_download"}
_POLICIES = {"bandit": "bandit", "medianstopping": "median_stopping", "truncationselection": "truncation_selection"}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_NOT_OF_COMPONENTS = ("_source", "sourceJobId", "$schema", "additional_includes")  # the code has what it includes
# What a node says as its component does, what only Azure can heed, and what the SDK notes for itself.
_NOT_OF_NODES = ("_source", "name", "componentId", "trial", "sourceJobId", "job_type")
_PARALLEL_TASK = ("task", "input_data")
_DISTRIBUTIONS = {"pytorch": "pytorch", "mpi": "mpi", "tensorflow": "tensorflow", "ray": "ray"}


@dataclass(frozen=True, slots=True)
class Places:
    """Where things of the workspace are on this machine: each takes an id or a URI and gives what YAML names.

    Attributes:
        data: Takes the URI of an input.
    """

    component: Callable[[str], str]
    environment: Callable[[str], str]
    code: Callable[[str], str]
    data: Callable[[str], str]


def pipeline(properties: Mapping[str, Any], places: Places) -> Document:
    """A pipeline job's properties as pipeline YAML."""
    settings = {key: value for key, value in (properties.get("settings") or {}).items()
                if key in ("continue_on_step_failure", "force_rerun") and value is not None}
    compute = compute_name((properties.get("settings") or {}).get("default_compute") or properties.get("computeId"))
    document: Document = {"type": "pipeline", "experiment_name": properties.get("experimentName"),
                          "inputs": _inputs(properties.get("inputs"), places), "outputs": _outputs(properties.get("outputs")),
                          "settings": {**settings, "default_compute": compute or "azureml:cpu"}}
    if properties.get("componentId"):
        document["component"] = places.component(properties["componentId"])
    else:
        document["jobs"] = {name: node(told, places) for name, told in (properties.get("jobs") or {}).items()}
    return _without_nothing(document)


def command(properties: Mapping[str, Any], places: Places) -> Document:
    """A command job's properties as YAML."""
    return _without_nothing({
        "type": "command", "experiment_name": properties.get("experimentName"),
        **_trial(properties, places), "compute": compute_name(properties.get("computeId")) or "azureml:cpu",
        "inputs": _inputs(properties.get("inputs"), places), "outputs": _outputs(properties.get("outputs")),
        "limits": _limits(properties.get("limits"))})


def sweep(properties: Mapping[str, Any], places: Places) -> Document:
    """A sweep job's properties as YAML."""
    limits = properties.get("limits") or {}
    objective = properties.get("objective") or {}
    return _without_nothing({
        "type": "sweep", "experiment_name": properties.get("experimentName"), "trial": _trial(properties["trial"], places),
        "compute": compute_name(properties.get("computeId")) or "azureml:cpu",
        "inputs": _inputs(properties.get("inputs"), places), "outputs": _outputs(properties.get("outputs")),
        "search_space": {name: _expression(told) for name, told in (properties.get("searchSpace") or {}).items()},
        "sampling_algorithm": _sampling(properties.get("samplingAlgorithm")),
        "objective": {"goal": str(objective.get("goal", "")).lower(), "primary_metric": objective.get("primaryMetric")},
        "early_termination": _policy(properties.get("earlyTermination")),
        "limits": _without_nothing({
            "max_total_trials": limits.get("maxTotalTrials"), "max_concurrent_trials": limits.get("maxConcurrentTrials"),
            "timeout": seconds(limits.get("timeout")), "trial_timeout": seconds(limits.get("trialTimeout"))})})


def scoring(properties: Mapping[str, Any], deployment: Mapping[str, Any], places: Places, *, code: str, driver: str,
            variables: Mapping[str, str]) -> Document:
    """The job of a batch deployment of a model: a pipeline of one parallel step.

    Args:
        properties: The job's, with one input and one output.
        deployment: Its properties, with what the invocation says otherwise.
        places: Where its environment and the input are.
        code: The folder of the deployment's code.
        driver: The entry script, in that folder.
        variables: Those of the step besides the deployment's own.
    """
    [(source, given)] = properties["inputs"].items()
    [(output, _)] = properties["outputs"].items()
    script = (deployment.get("codeConfiguration") or {}).get("scoringScript") or ""
    retry, rows = deployment.get("retrySettings") or {}, deployment.get("outputAction") != "SummaryOnly"
    environment = deployment.get("environmentId")
    job = _without_nothing({
        "type": "parallel", "compute": compute_name(deployment["compute"]),
        "inputs": {source: f"${{{{parent.inputs.{source}}}}}"}, "outputs": {output: f"${{{{parent.outputs.{output}}}}}"},
        "input_data": f"${{{{inputs.{source}}}}}", "mini_batch_size": str(deployment["miniBatchSize"]),
        "max_concurrency_per_instance": deployment["maxConcurrencyPerInstance"],
        "error_threshold": deployment["errorThreshold"], "logging_level": str(deployment["loggingLevel"]).upper(),
        "resources": {"instance_count": (deployment.get("resources") or {}).get("instanceCount") or 1},
        "retry_settings": {"max_retries": retry.get("maxRetries", 3), "timeout": seconds(retry.get("timeout")) or 30},
        "environment_variables": {"MLOPS_BATCH_SCRIPT": script, **variables, **(deployment.get("environmentVariables") or {})},
        "task": _without_nothing({
            "type": "run_function", "code": code, "entry_script": driver,
            "environment": places.environment(environment) if environment else {"image": "what-the-emulator-has"},
            "append_row_to": f"${{{{outputs.{output}}}}}" if rows else None,
            "program_arguments": f"--append_row_file_name {deployment['outputFileName']}" if rows else None})})
    return _without_nothing({
        "type": "pipeline", "experiment_name": properties.get("experimentName"), "jobs": {"batchscoring": job},
        "inputs": _inputs({source: given}, places), "outputs": _outputs(properties["outputs"]),
        "settings": {"default_compute": compute_name(deployment["compute"])}})


def component(spec: Mapping[str, Any], places: Places) -> Document:
    """A component's specification as YAML."""
    document = {key: value for key, value in spec.items() if key not in _NOT_OF_COMPONENTS}
    for owner in (document, document.get("task")):
        if isinstance(owner, dict):
            if isinstance(owner.get("code"), str):
                owner["code"] = places.code(owner["code"])
            if isinstance(owner.get("environment"), str):
                owner["environment"] = places.environment(owner["environment"])
    if isinstance(document.get("distribution"), dict):
        document["distribution"] = _distribution(document["distribution"])
    if isinstance(document.get("jobs"), dict):
        document["jobs"] = {name: node(told, places) for name, told in document["jobs"].items()}
    return _without_nothing(document)


def node(told: Mapping[str, Any], places: Places) -> Document:
    """A node of a pipeline."""
    kind = told.get("type", "command")
    document: Document = {key: value for key, value in told.items() if key not in _NOT_OF_NODES}
    document["type"] = kind
    if compute := compute_name(document.pop("computeId", None) or document.get("compute")):
        document["compute"] = compute
    document["inputs"] = _inputs(told.get("inputs"), places)
    document["outputs"] = _outputs(told.get("outputs"))
    document["limits"] = _limits(told.get("limits"))
    if isinstance(told.get("distribution"), dict):
        document["distribution"] = _distribution(told["distribution"])
    if isinstance(told.get("early_termination"), dict):
        document["early_termination"] = _policy(told["early_termination"])
    if isinstance(told.get("partition_keys"), str):
        document["partition_keys"] = json.loads(told["partition_keys"])
    if isinstance(told.get("environment"), str):
        document["environment"] = places.environment(told["environment"])
    reference = told.get("componentId") or (told.get("trial") or {}).get("componentId")
    if reference:
        document["trial" if kind == "sweep" else "component"] = places.component(reference)
        for key in _PARALLEL_TASK:
            document.pop(key, None)
    return _without_nothing(document)


# --- parts -----------------------------------------------------------------------------------------------------------


def _trial(told: Mapping[str, Any], places: Places) -> Document:
    """What runs a command: of a job, or of a sweep's trial."""
    code, environment = told.get("codeId"), told.get("environmentId")
    return _without_nothing({
        "command": told.get("command"), "code": places.code(code) if code else None,
        "environment": places.environment(environment) if environment else None,
        "environment_variables": told.get("environmentVariables") or None,
        "distribution": _distribution(told["distribution"]) if told.get("distribution") else None,
        "resources": {"instance_count": count} if (count := (told.get("resources") or {}).get("instanceCount")) else None})


def _inputs(told: Mapping[str, Any] | None, places: Places) -> Document:
    found: Document = {}
    for name, given in (told or {}).items():
        if not isinstance(given, dict):
            found[name] = given
            continue
        kind = given.get("job_input_type") or given.get("jobInputType") or "literal"
        mode = _MODES.get(str(given.get("mode") or "").lower())
        if kind == "literal":
            value = given.get("value")
            found[name] = {"path": value, "mode": mode} if mode else value
        else:
            found[name] = _without_nothing({"type": kind.lower(), "path": places.data(given["uri"]), "mode": mode})
    return found


def _outputs(told: Mapping[str, Any] | None) -> Document:
    found: Document = {}
    for name, given in (told or {}).items():
        if not isinstance(given, dict) or "value" in given:
            found[name] = given["value"] if isinstance(given, dict) else given
        elif name != "default":
            found[name] = {"type": output_type(given)}
    return found


def output_type(told: Mapping[str, Any]) -> str:
    """The type of an output, as YAML says it."""
    return str(told.get("job_output_type") or told.get("jobOutputType") or told.get("type") or "uri_folder").lower()


def output_name(told: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Under which name and version an output is to be registered."""
    for name, version in (("assetName", "assetVersion"), ("asset_name", "asset_version"), ("name", "version")):
        if told.get(name):
            return str(told[name]), None if told.get(version) is None else str(told[version])
    return None, None


def _limits(told: Mapping[str, Any] | None) -> Document | None:
    if not told:
        return None
    kept = {key: seconds(value) if key.endswith("timeout") else value for key, value in told.items()
            if key not in ("job_limits_type", "jobLimitsType") and value is not None}
    return kept or None


def _distribution(told: Mapping[str, Any]) -> Document:
    kind = str(told.get("distribution_type") or told.get("distributionType") or told.get("type") or "").lower()
    rest = {_snake(key): value for key, value in told.items()
            if key not in ("distribution_type", "distributionType", "type") and value is not None}
    return {"type": _DISTRIBUTIONS.get(kind, kind), **rest}


def _policy(told: Mapping[str, Any] | None) -> Document | None:
    if not told:
        return None
    kind = str(told.get("policy_type") or told.get("policyType") or told.get("type") or "").replace("_", "").lower()
    rest = {_snake(key): value for key, value in told.items() if key not in ("policy_type", "policyType", "type")}
    return _without_nothing({"type": _POLICIES.get(kind, kind), **rest})


def _sampling(told: Mapping[str, Any] | None) -> Document | str:
    if not told:
        return "random"
    kind = str(told.get("samplingAlgorithmType", "random")).lower()
    rest = {_snake(key): str(value).lower() if key == "rule" else value for key, value in told.items()
            if key != "samplingAlgorithmType" and value is not None}
    return {"type": kind, **rest} if rest else kind


_EXPRESSIONS: Mapping[str, tuple[str, ...]] = {
    "choice": ("values",), "randint": ("upper",), "uniform": ("min_value", "max_value"),
    "loguniform": ("min_value", "max_value"), "quniform": ("min_value", "max_value", "q"),
    "qloguniform": ("min_value", "max_value", "q"), "normal": ("mu", "sigma"), "lognormal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"), "qlognormal": ("mu", "sigma", "q")}


def _expression(told: Any) -> Document:
    """A parameter of a search space, which goes over the wire as ``["uniform", [0.1, 0.2]]``."""
    kind, values = told
    return {"type": kind, **dict(zip(_EXPRESSIONS[kind], values, strict=True))}


def seconds(told: Any) -> float | int | None:
    """A span of time in seconds: ``PT1M40S`` is 100; a number is seconds already."""
    if not isinstance(told, str):
        number: float | int | None = told
        return number
    match = _DURATION.fullmatch(told)
    if match is None:
        raise ValueError(f"{told!r} is no duration")
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    return int(total) if total.is_integer() else total


def compute_name(told: Any) -> str | None:
    """A compute as YAML names it."""
    return f"azureml:{str(told).rstrip('/').rpartition('/')[2].removeprefix('azureml:')}" if told else None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: f"_{match[1].lower()}", name)


def _without_nothing(document: Mapping[str, Any]) -> Document:
    return {key: value for key, value in document.items() if value is not None and value != {}}
