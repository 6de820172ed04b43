"""Endpoints and deployments beyond their keys.

Source: the references of online and batch endpoints and deployments; the SDK's own checks of traffic.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..document import Scalar, Table
from ..errors import Severity, did_you_mean, nearest
from ..spec import Report
from ..spec.reading import as_number
from .facts import Arity, number, place, scalar, table, word

_RANGES: Mapping[str, tuple[int, int]] = {
    "request_timeout_ms": (1, 1_000_000), "max_concurrent_requests_per_instance": (1, 1_000_000),
    "max_queue_wait_ms": (0, 1_000_000),
    "target_utilization_percentage": (1, 100), "instance_count": (0, 1_000_000), "period": (1, 1_000_000),
    "timeout": (1, 1_000_000), "failure_threshold": (1, 1_000_000), "success_threshold": (1, 1_000_000),
}


def check_endpoint(value: Table, report: Report, *, deployments: Collection[str] | None = None) -> None:
    """Report what is wrong with an endpoint.

    Args:
        value: Its document.
        report: Gets what is wrong.
        deployments: The names of the deployments to it that the project has; None when it has none.
    """
    traffic = table(value, "traffic")
    if traffic is not None:
        shares = [as_number(share.value) for share in traffic.entries.values() if isinstance(share, Scalar)]
        total = sum(share for share in shares if share is not None)
        for name, given in traffic.entries.items():
            amount = as_number(given.value) if isinstance(given, Scalar) else None
            if amount is not None and not 0 <= amount <= 100:
                report.add("bad-traffic", f"{amount:g} % of the traffic goes to {name!r}", given.place,
                           why="it is from 0 to 100")
        if traffic.entries and total not in (0, 100):
            report.add("bad-traffic", f"the traffic adds up to {total:g} %", place(value, "traffic"), why="it must be 0 or 100")
        _check_names(traffic, deployments, report)
    mirror = table(value, "mirror_traffic")
    if mirror is not None:
        for name, share in mirror.entries.items():
            amount = as_number(share.value) if isinstance(share, Scalar) else None
            if amount is not None and not 0 <= amount <= 50:
                report.add("bad-traffic", f"{amount:g} % of the traffic is mirrored to {name!r}", share.place,
                           why="at most 50 % can be")
        _check_names(mirror, deployments, report)
    defaults = table(value, "defaults")
    named = scalar(defaults, "deployment_name")
    if named is not None and deployments is not None and named.text not in deployments:
        report.add("unknown-deployment", f"the project has no deployment {named.text!r} to this endpoint", named.place,
                   fix=did_you_mean(named.text, deployments), severity=Severity.WARNING)


def _check_names(shares: Table, deployments: Collection[str] | None, report: Report) -> None:
    for name in shares.entries:
        if deployments is not None and name not in deployments:
            report.add("unknown-deployment", f"the project has no deployment {name!r} to this endpoint", shares.places[name],
                       fix=did_you_mean(name, deployments), severity=Severity.WARNING)


def check_deployment(value: Table, report: Report, *, endpoints: Collection[str] | None = None,
                     entry: Mapping[str, Arity | None] | None = None) -> None:
    """Report what is wrong with a deployment.

    Args:
        value: Its document.
        report: Gets what is wrong.
        endpoints: The names of the project's endpoints; None when it has none.
        entry: What its scoring script defines; None when it is not there or does not tell.
    """
    endpoint = scalar(value, "endpoint_name")
    if endpoint is not None and endpoints and endpoint.text not in endpoints and nearest(endpoint.text, endpoints):
        # One that resembles none of the project's is one of the workspace's, as far as the files can tell.
        report.add("unknown-endpoint", f"the project has no endpoint {endpoint.text!r}", endpoint.place,
                   why="its endpoints are " + ", ".join(sorted(endpoints)), fix=did_you_mean(endpoint.text, endpoints),
                   severity=Severity.WARNING)
    scale = table(value, "scale_settings")
    low, high = number(scale, "min_instances"), number(scale, "max_instances")
    if scale is not None and low is not None and high is not None and low > high:
        report.add("bad-limits", f"min_instances is {low:g}, more than max_instances ({high:g})", place(scale, "min_instances"),
                   fix="lower min_instances")
    for part in (value, scale, *(table(value, key) for key in ("request_settings", "liveness_probe", "readiness_probe"))):
        for key, (least, most) in _RANGES.items():
            amount = number(part, key)
            if part is not None and amount is not None and not least <= amount <= most:
                report.add("out-of-range", f"{key} is {amount:g}", place(part, key),
                           why=f"it is from {least:,} to {most:,}" if most < 1_000_000 else f"it is at least {least}")
    settings = table(value, "settings") or value
    file_name = scalar(settings, "output_file_name")
    if file_name is not None and word(settings, "output_action") == "summary_only":
        report.add("bad-batch", "output_file_name is given, and only a summary is written", file_name.place,
                   fix="write 'output_action: append_row', or remove the name", severity=Severity.WARNING)
    code = table(value, "code_configuration")
    if code is not None and "scoring_script" not in code.entries:
        report.add("missing-key", "code_configuration lacks 'scoring_script'", code.place, fix="add 'scoring_script: …'")
    if code is not None and entry is not None:
        for name, role in (("init", "it is called once, to load the model"), ("run", "it gets each request")):
            if name not in entry:
                report.add("bad-entry", f"the scoring script defines no {name}()", place(code, "scoring_script"), why=role,
                           fix=f"define {name}() in it")
                continue
            takes, wanted = entry[name], int(name == "run")
            if takes is not None and not takes.least <= wanted <= takes.most:
                report.add("bad-entry", f"{name}() of the scoring script takes {takes}", place(code, "scoring_script"),
                           why=f"it is called with {'one' if wanted else 'none'}", fix=f"write {name}({'data' * wanted})")
