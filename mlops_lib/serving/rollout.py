"""A new deployment takes over from the one that serves: started at 0 %, tried, and given the traffic in steps; or taken back.

Where a rollout stands is read from Azure each time. The request that gives the new deployment a share also writes into the
endpoint's tags what the traffic was before: a rollout that was killed goes on when it is run again, or is taken back.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..engines.azureml.blobs import Blobs
from ..engines.azureml.endpoint import alone
from ..engines.azureml.online import AT_WORK, DELETING, Answer, OnlineEndpoint
from ..engines.azureml.workspace import Workspace
from ..errors import InputError, JobError, MlopsError, StageError, did_you_mean
from .code import SAMPLE, SCRIPT
from .deployment import IMAGE, KEY, MODEL, Deployment, Wish, divided, shares
from .logs import reason

_LINES: Final = 1000  # of a log, for the share of errors
_SHOWN: Final = 20  # of them, for people
_PROBES: Final = 3  # requests of our own in each step, at least
_PAUSE: Final = 5.0
# What the server says of each request: "POST /score 200 3.2ms 89".
_SCORED: Final = re.compile(r"POST /score(?:\?\S*)? (\d{3}) ")

# Tags of an endpoint: the deployment that takes over, the traffic before that, and whether it has.
_ROLLOUT, _BEFORE, _STATE = "mlops_rollout", "mlops_before", "mlops_state"
_GOING, _DONE = "going", "done"
_INSIGHTS: Final = "2020-02-02"  # the version of Application Insights' own API
_HOME: Final = "mlops/serving"  # of scoring code, in the default datastore

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a rollout.

    Attributes:
        changed: Whether anything was done.
        traffic: The shares of the deployments now.
        address: Where requests go.
        removed: Deployments that were deleted, since nothing goes back to them.
    """

    endpoint: str
    deployment: str
    model: str
    changed: bool
    traffic: Mapping[str, int]
    address: str
    removed: tuple[str, ...] = ()


def plan(workspace: Workspace, deployment: Deployment, wish: Wish) -> Sequence[str]:
    """What a rollout would do, in words; nothing is changed."""
    endpoint = OnlineEndpoint(workspace, wish.endpoint)
    known = endpoint.read()
    _check(workspace, known, wish)
    traffic = endpoint.traffic() if known is not None else {}
    if _serves_already(endpoint, deployment.name, known, traffic):
        return [f"delete {name}, which has no traffic" for name in _left(endpoint, deployment.name, known)]
    before = _before(endpoint, deployment.name, traffic)
    steps = [] if known is not None else [f"make the endpoint {wish.endpoint} ({wish.auth})"]
    if _state(endpoint.deployment(deployment.name) if known is not None else None) != "Succeeded":
        steps.append(f"start the deployment {deployment.name} of {deployment.model}, with no traffic")
    steps.append("send it the sample request")
    return [*steps, *(f"give it {share} % of the traffic" for share in _ahead(wish.steps, before, traffic, deployment.name))]


def roll_out(workspace: Workspace, deployment: Deployment, wish: Wish, say: Say) -> Outcome:
    """Let a deployment take over the traffic of its endpoint.

    Raises:
        JobError: it failed; the traffic is as it was before. InputError, StageError: it was not begun, or another one has
            taken the endpoint over.
    """
    endpoint = OnlineEndpoint(workspace, wish.endpoint)
    known = endpoint.read()
    _check(workspace, known, wish)
    if known is not None and _serves_already(endpoint, deployment.name, known, traffic := endpoint.traffic()) and \
            not _left(endpoint, deployment.name, known):
        return _outcome(endpoint, deployment, traffic, changed=False)
    with alone(workspace, wish.endpoint) as still_ours:
        return _rolled_out(workspace, endpoint, deployment, wish, say, still_ours)


def _rolled_out(workspace: Workspace, endpoint: OnlineEndpoint, deployment: Deployment, wish: Wish, say: Say,
                still_ours: Callable[[], None]) -> Outcome:
    known = endpoint.read()
    compute = _check(workspace, known, wish)
    if known is None:
        say(f"making the endpoint {wish.endpoint}")
        endpoint.make(auth=wish.auth, tags={"made_by": "mlops"}, compute=compute,
                      public=workspace.stage.networking.get("mode") != "private")
    traffic = endpoint.traffic()
    if _serves_already(endpoint, deployment.name, known, traffic):
        removed = _clear(endpoint, deployment.name, known, say)
        return _outcome(endpoint, deployment, traffic, changed=bool(removed), removed=removed)
    before = _before(endpoint, deployment.name, traffic)
    tags = {_ROLLOUT: deployment.name, _BEFORE: json.dumps(before), _STATE: _GOING}
    # What was before a rollout that was killed, its own tags say no more.
    earlier = _whole(before) if _tags(known).get(_STATE) == _GOING else {name: _tags(known).get(name, "") for name in tags}
    try:
        _start(workspace, endpoint, deployment, wish, say)
        _try(endpoint, deployment)
        for share in _ahead(wish.steps, before, traffic, deployment.name):
            still_ours()
            endpoint.shift(shares(before, deployment.name, share), tags)
            say(f"{deployment.name} has {share} % of the traffic")
            _watch(endpoint, deployment, wish)
        still_ours()
        endpoint.shift({deployment.name: 100}, {_STATE: _DONE})
    except _Unfit as unfit:
        still_ours()
        raise _taken_back(endpoint, deployment, wish, (before, earlier), unfit, say) from None
    removed = _clear(endpoint, deployment.name, endpoint.read(), say)
    return _outcome(endpoint, deployment, endpoint.traffic(), changed=True, removed=removed)


def roll_back(workspace: Workspace, endpoint_name: str, model: str, say: Say) -> Outcome:
    """Give the traffic back to the deployment that the current one has replaced.

    Args:
        workspace: Has the endpoint.
        endpoint_name: The endpoint's name.
        model: The name of the model that is to be served there.
        say: Is told what is done.

    Raises:
        InputError: there is none; JobError: it does not answer, and nothing has changed; StageError: there is no endpoint, or a
            deployment to it is at work.
    """
    endpoint = OnlineEndpoint(workspace, endpoint_name)
    with alone(workspace, endpoint_name) as still_ours:
        return _rolled_back(workspace, endpoint, model, say, still_ours)


def _rolled_back(workspace: Workspace, endpoint: OnlineEndpoint, model: str, say: Say,
                 still_ours: Callable[[], None]) -> Outcome:
    endpoint_name, known = endpoint.name, endpoint.read()
    if known is None:
        raise StageError(f"stage {workspace.stage.name!r} has no endpoint {endpoint_name!r}", fix="deploy a model first")
    current = _tags(known).get(_ROLLOUT, "")
    served = _tags(endpoint.deployment(current)).get(MODEL, "") if current else ""
    if served.partition(":")[0] != model:
        raise InputError(f"the endpoint {endpoint_name!r} does not serve {model!r}",
                         why=f"what was deployed last is {served or 'nothing of ours'}", fix="name the model that is served")
    before = {name: share for name, share in _told(known).items() if endpoint.deployment(name) is not None}
    if sum(before.values()) != 100:
        raise InputError(f"nothing that was before {current!r} is on {endpoint_name!r} any more",
                         why="a rollback goes to the deployment that the last one has replaced, once",
                         fix=f"deploy another version: mlops deploy {model}:VERSION --on {workspace.stage.name}")
    for name in before:
        _see_that_it_answers(workspace, endpoint, name)
    still_ours()
    endpoint.shift(before, _whole(before))
    for name, share in before.items():
        say(f"{name} has {share} % of the traffic")
    name = max(before, key=lambda name: before[name])
    return Outcome(endpoint=endpoint_name, deployment=name, model=_tags(endpoint.deployment(name)).get(MODEL, name),
                   changed=True, traffic=endpoint.traffic(), address=_address(endpoint))


def _see_that_it_answers(workspace: Workspace, endpoint: OnlineEndpoint, name: str) -> None:
    """Send a deployment the sample that lies beside its code; one that is not of ours has none."""
    properties = (endpoint.deployment(name) or {}).get("properties") or {}
    code = str((properties.get("codeConfiguration") or {}).get("codeId") or "").rpartition("/codes/")[2].partition("/")[0]
    content = Blobs(workspace).read(f"{_HOME}/{code}/{SAMPLE}") if code else None
    if content is None:
        return
    answer = endpoint.ask(json.loads(content), name)
    if answer.status != 200:
        raise JobError(f"the deployment {name!r} does not answer as it should", why=_said(answer),
                       fix="the traffic is as it was; deploy another version")


# --- what has to be there --------------------------------------------------------------------------------------------


def _check(workspace: Workspace, known: Mapping[str, Any] | None, wish: Wish) -> str | None:
    """See that the endpoint is, or can be, as wished; the id of the Kubernetes compute that it is on."""
    compute = None
    if wish.compute is not None:
        found = workspace.find(f"computes/{wish.compute}", doing=f"look for the compute {wish.compute!r}")
        kind = str(((found or {}).get("properties") or {}).get("computeType", ""))
        if found is None or kind != "Kubernetes":
            kubernetes = [name for name, told in workspace.stage.computes.items() if told.kind == "kubernetes"]
            raise StageError(f"stage {workspace.stage.name!r} has no Kubernetes compute {wish.compute!r}",
                             why=f"it is of type {kind}" if found is not None else "there is no such compute",
                             fix=did_you_mean(wish.compute, kubernetes) if kubernetes else "attach a cluster to the workspace")
        compute = str(found["id"])
    if known is not None:
        properties = known.get("properties") or {}
        told = {"key": "key", "aadtoken": "aad_token"}.get(str(properties.get("authMode")).lower(), "aml_token")
        if told != wish.auth:
            raise InputError(f"the endpoint {wish.endpoint!r} lets in by {told}, and not by {wish.auth}",
                             why="that cannot be changed", fix=f"write --auth {told}, or name another endpoint")
        if str(properties.get("compute") or "").lower() != (compute or "").lower():
            raise InputError(f"the endpoint {wish.endpoint!r} is {'managed' if compute else 'on Kubernetes'}",
                             why="that cannot be changed", fix="name another endpoint: --endpoint NAME")
    return compute


def _ahead(steps: Sequence[int], before: Mapping[str, int], traffic: Mapping[str, int], name: str) -> Sequence[int]:
    """The steps that are still to be taken; with nobody to share with, there is one."""
    return [share for share in steps if before and share > traffic.get(name, 0)] or [100]


def _serves_already(endpoint: OnlineEndpoint, name: str, known: Mapping[str, Any] | None, traffic: Mapping[str, int]) -> bool:
    """Whether a deployment has taken over to the end, and still serves."""
    ours = _tags(known).get(_ROLLOUT) == name
    return traffic.get(name) == 100 and not (ours and _tags(known).get(_STATE) == _GOING) and \
        _state(endpoint.deployment(name)) == "Succeeded"


def _start(workspace: Workspace, endpoint: OnlineEndpoint, deployment: Deployment, wish: Wish, say: Say) -> None:
    """See to it that the deployment is there and serves."""
    state = _settled(endpoint, deployment.name, wish.start, say)
    if state == "Succeeded":
        return
    if state is not None:
        say(f"{deployment.name} is there and {state.lower()}: starting it anew")
        endpoint.remove(deployment.name)
    body = _body(workspace, deployment, {**deployment.variables, **_telemetry(workspace, say)}, wish)
    say(f"starting {deployment.name} with {deployment.model}; it has no traffic yet")
    try:
        endpoint.start(deployment.name, body, seconds=wish.start)
    except MlopsError as error:
        if _state(endpoint.deployment(deployment.name)) != "Failed":
            raise
        raise _Unfit("it did not come up", error.why, crashed=True) from None


def _settled(endpoint: OnlineEndpoint, name: str, seconds: float, say: Say) -> str | None:
    """The state of a deployment once nothing is at work on it; None when there is none."""
    end, told = time.monotonic() + seconds, False
    while (state := _state(endpoint.deployment(name))) in AT_WORK:
        if not told:
            say(f"waiting for {name}, which is {state.lower()}")
            told = True
        if time.monotonic() > end:
            raise _Unfit("it did not come up", f"it is still {state.lower()} after {seconds:.0f} s")
        time.sleep(_PAUSE)
    return state


def _telemetry(workspace: Workspace, say: Say) -> Mapping[str, str]:
    """Where the stage's Application Insights takes telemetry: looked up each time, and written down nowhere but in Azure."""
    try:
        found = workspace.get(workspace.stage.app_insights, version=_INSIGHTS, doing="read where telemetry goes")
    except MlopsError as error:
        say(f"note: there will be no telemetry: {error.what}")
        return {}
    told = str((found.get("properties") or {}).get("ConnectionString") or "")
    return {"APPLICATIONINSIGHTS_CONNECTION_STRING": told} if told else {}


def _body(workspace: Workspace, deployment: Deployment, variables: Mapping[str, str], wish: Wish) -> dict[str, Any]:
    code, environment = workspace.each(lambda bring: bring(workspace, deployment), (_code, _environment))
    name, _, version = deployment.model.partition(":")
    managed = wish.compute is None
    return {
        "location": workspace.stage.location, "tags": {KEY: deployment.key, MODEL: deployment.model},
        "sku": {"name": "Default", "capacity": wish.instances},
        "properties": {
            "endpointComputeType": "Managed" if managed else "Kubernetes",
            **({"instanceType": wish.instance_type} if wish.instance_type else {}),
            "model": f"{workspace.path}/models/{name}/versions/{version}", "environmentId": environment,
            "codeConfiguration": {"codeId": code, "scoringScript": SCRIPT}, "appInsightsEnabled": True,
            "environmentVariables": dict(variables), "scaleSettings": {"scaleType": "Default"},
            "requestSettings": {"maxConcurrentRequestsPerInstance": wish.workers},
        },
    }


def _code(workspace: Workspace, deployment: Deployment) -> str:
    """The id of the code, which is uploaded once for each content."""
    place = f"codes/{deployment.code_name}/versions/1"
    if workspace.find(place, doing="look for the scoring code") is None:
        blobs, home = Blobs(workspace), f"{_HOME}/{deployment.code_name}"
        for name, content in deployment.files.items():
            blobs.write(f"{home}/{name}", content)
        workspace.put(place, {"properties": {"codeUri": blobs.url(home)}}, doing="register the scoring code")
    return f"{workspace.path}/{place}"


def _environment(workspace: Workspace, deployment: Deployment) -> str:
    place = f"environments/{deployment.environment_name}/versions/1"
    if workspace.find(place, doing="look for the environment") is None:
        properties = {"image": IMAGE, "condaFile": json.dumps(deployment.conda, indent=1), "osType": "Linux"}
        workspace.put(place, {"properties": properties}, doing="register the environment")
    return f"{workspace.path}/{place}"


# --- whether it is fit -----------------------------------------------------------------------------------------------


class _Unfit(Exception):
    """A deployment is not to take over; of one that has *crashed*, its log says why better than Azure does."""

    def __init__(self, what: str, why: str, *, crashed: bool = False) -> None:
        self.what, self.why, self.crashed = what, why, crashed
        super().__init__(what)


def _try(endpoint: OnlineEndpoint, deployment: Deployment) -> None:
    """Send the sample to the deployment itself; its answer must be a prediction of the model that is meant."""
    try:
        answer = endpoint.ask(deployment.sample, deployment.name)
    except StageError as error:
        raise _Unfit("it does not answer", error.why) from None
    told = answer.json
    if answer.status != 200 or not isinstance(told, dict) or "predictions" not in told:
        raise _Unfit("it does not answer the sample request", _said(answer))
    if told.get("model") != deployment.model:
        raise _Unfit("it serves another model", f"it says that it is {told.get('model')}")


def _watch(endpoint: OnlineEndpoint, deployment: Deployment, wish: Wish) -> None:
    """Ask it for a while, and see from its log how it answered everybody else."""
    pause = wish.watch / _PROBES if wish.watch < _PAUSE * _PROBES else _PAUSE
    probes = max(_PROBES, round(wish.watch / pause) if pause else 0)
    for probe in range(probes):
        _try(endpoint, deployment)
        if probe == probes - 1 or probe % 6 == 0:
            statuses = [int(match[1]) for line in endpoint.log(deployment.name, _LINES) if (match := _SCORED.search(line))]
            failed = sum(status >= 500 for status in statuses)
            if statuses and failed / len(statuses) > wish.errors:
                raise _Unfit(f"{failed} of {len(statuses)} requests failed", f"at most {wish.errors:.1%} may")
        time.sleep(pause)


def _taken_back(endpoint: OnlineEndpoint, deployment: Deployment, wish: Wish,
                before: tuple[Mapping[str, int], Mapping[str, str]], unfit: _Unfit, say: Say) -> JobError:
    """Make traffic and tags as they were before; what to tell of it."""
    log = endpoint.log(deployment.name, _LINES)
    if deployment.name in endpoint.traffic():
        endpoint.shift(*before)
        say("the traffic is as it was")
    if not wish.keep:
        endpoint.remove(deployment.name)
    for line in log[-_SHOWN:]:
        say(f"  {line}")
    kept = "is kept, without traffic, until the next deployment" if wish.keep else "is deleted"
    return JobError(f"{deployment.model} was not deployed to {endpoint.name!r}: {unfit.what}",
                    why=(unfit.crashed and reason(log)) or unfit.why,
                    fix=f"the traffic is as it was before, and the deployment {deployment.name!r} {kept}; its log is above")


def _clear(endpoint: OnlineEndpoint, name: str, known: Mapping[str, Any] | None, say: Say) -> tuple[str, ...]:
    """Delete deployments of ours that nothing goes back to: a rollback goes to the one before."""
    left = _left(endpoint, name, known)
    for other in left:
        say(f"deleting {other}, which has no traffic")
        endpoint.remove(other)
    return left


def _left(endpoint: OnlineEndpoint, name: str, known: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The deployments of ours that the one which has taken over leaves behind; none when the tags are about another one."""
    if _tags(known).get(_ROLLOUT) != name:
        return ()
    kept = {name, *_told(known), *endpoint.traffic()}
    return tuple(str(told["name"]) for told in endpoint.deployments()
                 if KEY in _tags(told) and told["name"] not in kept and _state(told) != DELETING)


def _said(answer: Answer) -> str:
    told = answer.json
    message = told.get("message") if isinstance(told, dict) else answer.content[:200].decode("utf-8", "replace")
    return f"status {answer.status}: {message}"


def _state(found: Mapping[str, Any] | None) -> str | None:
    return str((found.get("properties") or {}).get("provisioningState")) if found is not None else None


def _tags(found: Mapping[str, Any] | None) -> Mapping[str, str]:
    return dict((found or {}).get("tags") or {})


def _before(endpoint: OnlineEndpoint, name: str, traffic: Mapping[str, int]) -> Mapping[str, int]:
    """The traffic that a deployment takes over: without its own share, and without that of a rollout that was killed."""
    known = endpoint.read()
    latest, told = _tags(known).get(_ROLLOUT), _told(known)
    if latest == name and name in traffic:
        return told
    if latest in traffic and name not in told and _tags(known).get(_STATE) == _GOING and _are_there(endpoint, told):
        return told
    return traffic if name not in traffic else divided(100, {other: share for other, share in traffic.items() if other != name})


def _whole(traffic: Mapping[str, int]) -> Mapping[str, str]:
    """The tags of an endpoint that is divided so to stay, and that nothing goes back from."""
    return {_ROLLOUT: max(traffic, key=lambda name: traffic[name], default=""), _BEFORE: "{}", _STATE: _DONE}


def _are_there(endpoint: OnlineEndpoint, shares: Mapping[str, int]) -> bool:
    return sum(shares.values()) == 100 and all(endpoint.deployment(name) is not None for name in shares)


def _told(known: Mapping[str, Any] | None) -> Mapping[str, int]:
    """The traffic before the last rollout, as the endpoint's tags tell."""
    try:
        return {str(name): int(share) for name, share in json.loads(_tags(known).get(_BEFORE) or "{}").items()}
    except (ValueError, AttributeError):
        return {}


def _address(endpoint: OnlineEndpoint) -> str:
    return str(((endpoint.read() or {}).get("properties") or {}).get("scoringUri"))


def _outcome(endpoint: OnlineEndpoint, deployment: Deployment, traffic: Mapping[str, int], *, changed: bool,
             removed: tuple[str, ...] = ()) -> Outcome:
    return Outcome(endpoint=endpoint.name, deployment=deployment.name, model=deployment.model, changed=changed, traffic=traffic,
                   address=_address(endpoint), removed=removed)
