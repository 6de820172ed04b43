"""Online and batch endpoints and their deployments, as shapes.

Source: the CLI v2 schemas of managed and Kubernetes online endpoints and deployments and of batch endpoints and
deployments, as azure-ai-ml 1.35 reads them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..shapes import Anything, ByForm, ByType, Flag, ListOf, MapOf, Number, OneOf, Record, Shape, Text
from .common import ANY_MAP, ENVIRONMENT_VALUE, JOB_INPUTS, JOB_OUTPUTS, LOOSE_TAGS, MODEL, RESOURCES, TEXT, VERSION

_whole = Number(whole=True)
_on_off = OneOf(("disabled", "enabled"), folded=True)
_ENDPOINT = Text(pattern=r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]",
                 hint="an endpoint's name has 3 to 32 letters, digits and hyphens, and starts with a letter")
_identity = Record("identity", {
    "type": OneOf(("none", "system_assigned", "user_assigned"), folded=True), "principal_id": TEXT, "tenant_id": TEXT,
    "user_assigned_identities": ListOf(ByForm(scalar=TEXT, table=MapOf(TEXT))),
})
_shares = MapOf(_whole)
_endpoint_keys: Mapping[str, Shape] = {
    "$schema": TEXT, "id": TEXT, "name": _ENDPOINT, "description": TEXT, "tags": LOOSE_TAGS, "provisioning_state": TEXT,
    "properties": ANY_MAP, "auth_mode": OneOf(("aad_token", "aml_token", "key"), folded=True), "scoring_uri": TEXT,
    "location": TEXT, "openapi_uri": TEXT, "identity": _identity,
}
_online_keys: Mapping[str, Shape] = {**_endpoint_keys, "traffic": _shares, "mirror_traffic": _shares}
ONLINE_ENDPOINT = Record("an online endpoint", {
    **_online_keys, "public_network_access": _on_off, "compute": TEXT,
}, required=("name",))
BATCH_ENDPOINT = Record("a batch endpoint", {
    **_endpoint_keys, "defaults": Record("defaults", {"deployment_name": TEXT}),
}, required=("name",))

_model = ByForm(scalar=TEXT, table=Record("a model", MODEL.fields))
_code = Record("code_configuration", {"code": TEXT, "scoring_script": TEXT})
_deployment_keys: Mapping[str, Shape] = {
    "$schema": TEXT, "name": TEXT, "endpoint_name": TEXT, "description": TEXT, "id": TEXT, "tags": LOOSE_TAGS,
    "properties": ANY_MAP, "model": _model, "code_configuration": _code, "environment": ENVIRONMENT_VALUE,
    "environment_variables": ANY_MAP,
}
_probe = Record("a probe", {
    "period": _whole, "initial_delay": _whole, "timeout": _whole, "success_threshold": _whole, "failure_threshold": _whole,
})
_amounts = Record("resources", {"cpu": Text(numbers=True), "memory": Text(numbers=True), "gpu": Text(numbers=True)})
_collection = Record("a collection", {
    "enabled": ByForm(scalar=Flag()), "client_id": TEXT,
    "data": ByForm(scalar=TEXT, table=Record("data", {"name": TEXT, "path": TEXT, "version": VERSION, "data_id": TEXT})),
}, required=("enabled",))
_online_deployment_keys: Mapping[str, Shape] = {
    **_deployment_keys, "app_insights_enabled": Flag(), "provisioning_state": TEXT, "instance_count": _whole,
    "type": OneOf(("kubernetes", "managed"), folded=True), "model_mount_path": TEXT, "instance_type": TEXT,
    "scale_settings": ByType("scale_settings", {
        "default": Record("default scale settings", {"type": TEXT}),
        "target_utilization": Record("target utilization scale settings", {
            "type": TEXT, "polling_interval": _whole, "target_utilization_percentage": _whole, "min_instances": _whole,
            "max_instances": _whole}),
    }, folded=True),
    "request_settings": Record("request_settings", {
        "request_timeout_ms": _whole, "max_concurrent_requests_per_instance": _whole, "max_queue_wait_ms": _whole}),
    "liveness_probe": _probe, "readiness_probe": _probe,
    "data_collector": Record("data_collector", {
        "collections": MapOf(_collection), "rolling_rate": OneOf(("day", "hour", "minute"), folded=True),
        "sampling_rate": Number(), "request_logging": Record("request_logging", {"capture_headers": ListOf(TEXT)})}),
    "egress_public_network_access": _on_off, "private_network_connection": Flag(),
    "resources": Record("resources", {"requests": _amounts, "limits": _amounts}),
}
_managed = Record("a managed online deployment", _online_deployment_keys, required=("name", "endpoint_name", "instance_type"))
ONLINE_DEPLOYMENT = ByType("online deployment", {
    "managed": _managed,
    "kubernetes": Record("a Kubernetes online deployment", _online_deployment_keys, required=("name", "endpoint_name")),
}, folded=True, absent=_managed)

_batch_run_keys: Mapping[str, Shape] = {
    "error_threshold": _whole, "retry_settings": Record("retry_settings", {"max_retries": _whole, "timeout": _whole}),
    "mini_batch_size": _whole, "logging_level": TEXT, "output_action": OneOf(("append_row", "summary_only"), folded=True),
    "output_file_name": TEXT, "max_concurrency_per_instance": _whole,
}
_definition = ByForm(scalar=TEXT, table=Record("job_definition", {
    "type": TEXT, "component": TEXT, "inputs": JOB_INPUTS, "outputs": JOB_OUTPUTS, "properties": ANY_MAP, "comment": TEXT,
    "settings": ANY_MAP,
}, open=True))
BATCH_DEPLOYMENT = Record("a batch deployment", {
    **_deployment_keys, **_batch_run_keys, "compute": TEXT, "resources": RESOURCES,
    "type": OneOf(("model", "pipeline"), folded=True), "component": ByForm(scalar=TEXT, table=Anything()),
    "job_definition": _definition,
    "settings": Record("settings", {
        **_batch_run_keys, "instance_count": _whole, "environment_variables": ANY_MAP,
        # of a pipeline component's deployment
        "default_compute": TEXT, "default_datastore": TEXT, "continue_on_step_failure": Flag(), "force_rerun": Flag(),
    }),
}, required=("name", "endpoint_name"))
