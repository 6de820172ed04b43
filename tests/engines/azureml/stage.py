"""A stage on the local Azure ML whose jobs do as a test says: what runs them is of no interest here."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_lib.emulator import Emulator, Setup
from mlops_lib.emulator.router import Service
from mlops_lib.emulator.wire import Request, Response


@dataclass
class Step:
    """A job inside a pipeline job: the states that one look after the other finds, and what it has printed by then.

    It is shown as its name unless *shown* says otherwise, and below the job itself unless *above* says below which other one.
    """

    states: list[str]
    log: str = ""
    error: str = ""
    reused: bool = False
    looks: int = 0
    shown: str = ""
    above: str = ""
    made: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return self.states[min(self.looks, len(self.states) - 1)]


@dataclass
class Play:
    """How the jobs of a stage go."""

    steps: dict[str, Step] = field(default_factory=dict)
    ends: str = "Completed"
    error: str = ""
    looks: int = 0


Twist = Callable[[Request], Response | None]


class ScriptedAzure(Emulator):
    """The local Azure ML, with the jobs of a play, and twists where a test wants them."""

    def __init__(self) -> None:
        self.play: Any = Play()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.puts: list[str] = []
        self.twists: list[Twist] = []
        self.canceled: list[str] = []
        self.workspaces = 0
        self._playing = threading.Lock()
        super().__init__(setup=Setup(accounts=("stpartner",)))

    def begin(self, play: Play | None = None) -> None:
        """Nothing has happened yet."""
        self.play, self.twists = play or Play(), []
        self.jobs.clear()
        self.puts.clear()
        self.canceled.clear()
        self.calls.clear()
        self.faults.clear()

    def _handled(self, service: Service, request: Request) -> tuple[str, Response]:
        for twist in list(self.twists):
            answer = twist(request)
            if answer is not None:
                return "", answer
        with self._playing:
            answer = self._play(service, request) if self.play is not None else None
        return ("", answer) if answer is not None else super()._handled(service, request)

    def _play(self, service: Service, request: Request) -> Response | None:
        if service is Service.MANAGEMENT and "/jobs/" in request.path:
            return self._job(request, request.path.split("/")[-1])
        if service is Service.WORKSPACE and "/runs/" in request.path:
            run, _, what = request.path.rpartition("/runs/")[2].partition("/")
            return self._children(run) if what == "children" else self._details(run)
        if service is Service.WORKSPACE and request.path.startswith("/logs/"):
            text = self.play.steps[request.path.removeprefix("/logs/")].log.encode()
            first = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
            return Response(status=206 if first else 200, body=text[first:])
        return None

    def _job(self, request: Request, name: str) -> Response:
        if name == "cancel":
            self.canceled.append(request.path.split("/")[-2])
            return Response(status=200)
        if request.method == "PUT":
            self.puts.append(name)
            known = name in self.jobs
            self.jobs[name] = {"id": request.path, "name": name, **json.loads(request.body)}
            return Response(status=200 if known else 201, body=self.jobs[name])
        if name not in self.jobs:
            return Response(status=404, body={"error": {"code": "UserError", "message": f"No job {name}"}})
        return Response(body=self.jobs[name])

    def _children(self, run: str) -> Response:
        below = {name: step for name, step in self.play.steps.items() if step.above == (run if run in self.play.steps else "")}
        value = [self._run(name, step) for name, step in below.items() if step.state != "NotStarted"]
        for step in below.values():
            step.looks += 1
        self.play.looks += 1
        return Response(body={"value": value})

    def _details(self, run: str) -> Response:
        step = self.play.steps.get(run)
        if step is not None:
            return Response(body={**self._run(run, step), "logFiles": {
                "user_logs/std_log.txt": f"https://{self.setup.location}.api.azureml.ms/logs/{run}"} if step.log else {}})
        over = all(step.looks >= len(step.states) for step in self.play.steps.values())
        return Response(body={"runId": run, "status": self.play.ends if over else "Running",
                              "startTimeUtc": "2026-01-01T00:00:00.0000000+00:00",
                              "endTimeUtc": "2026-01-01T00:01:00.5000000+00:00" if over else None,
                              "error": {"error": {"message": self.play.error}} if self.play.error else None})

    @staticmethod
    def _run(name: str, step: Step) -> dict[str, Any]:
        over = step.state in ("Completed", "Failed", "Canceled")
        return {"runId": name, "displayName": step.shown or name, "createdUtc": step.made, "tags": step.tags, "status": step.state, "startTimeUtc": "2026-01-01T00:00:10Z",
                "endTimeUtc": "2026-01-01T00:00:25.25Z" if over else None,
                "properties": {**step.properties, **({"azureml.isreused": "true"} if step.reused else {})},
                "error": {"error": {"code": "UserError", "message": step.error}} if step.error else None}

    def told(self, method: str = "", within: str = "") -> list[str]:
        """The calls to the management address, as ``METHOD route status``."""
        return [f"{call.method} {call.route or call.path} {call.status}" for call in self.requests(Service.MANAGEMENT)
                if method in ("", call.method) and within in call.path]

    def run_for_real(self) -> None:
        """Jobs are run, by the local Azure ML."""
        self.play = None

    def own_workspace(self) -> Mapping[str, Any]:
        """The stage's outputs with a workspace that nobody else uses."""
        self.workspaces += 1
        told = json.loads(json.dumps(self.add_workspace(f"mlw-{self.workspaces}")))
        told.setdefault("location", self.setup.location)
        told.setdefault("app_insights", {"id": "/of/no/interest"})
        told.setdefault("identities", {who: {"id": "/i", "client_id": "c", "principal_id": "p"} for who in ("workspace", "jobs")})
        told["workspace"].setdefault("discovery_url", f"https://{self.setup.location}.api.azureml.ms/discovery")
        told["networking"].setdefault("isolation_mode", "Disabled")
        told["vault"].setdefault("name", "kv")
        for datastore in told["datastores"].values():
            datastore.setdefault("access", "write")
        return dict(told)
