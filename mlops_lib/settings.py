"""``mlops.yml``: the few things about a project that Azure ML's own files have no place for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .cost import NO_PRICES, Prices
from .document import Items, Scalar, Table, Value
from .errors import CompileError, Place, did_you_mean
from .inspection import DEFAULT_LIMITS, Limits, is_local, local_path
from .references import NO_MAPPINGS, STORES, Mappings, holds_secret, scheme_of
from .spec import Data, InputValue, Literal, Report, kinds
from .spec.kinds import COMPUTE, job_input
from .spec.ports import NOWHERE, read_input_value
from .spec.reading import as_flag, as_number
from .spec.shapes import Deferred, Flag, ListOf, MapOf, Number, OneOf, Record, Text
from .yamlfiles import PROJECT_FILE

FILE = PROJECT_FILE
_NAME = Text(pattern=r"[A-Za-z][A-Za-z0-9_-]{0,62}", hint="a name has letters, digits, '_' and '-', and starts with a letter")
STAGE = r"(?!(?:champion|latest|runs)$)[a-z][a-z0-9-]{0,15}"
STAGE_HINT = "a stage's name has lower-case letters, digits and hyphens, and is none of champion, latest and runs"
_FOLDERS = MapOf(Text(), key_pattern=r"[A-Za-z0-9][A-Za-z0-9._-]*", empty=True,
                 key_hint="it has letters, digits, '.', '_' and '-'")
_ENDPOINT = Text(pattern=r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]",
                 hint="an endpoint's name has 3 to 32 letters, digits and hyphens, and starts with a letter")
_ONLINE = Record("the online endpoint", {
    "endpoint": _ENDPOINT,
    "auth": OneOf(("aad_token", "key")), "instance_type": Text(), "instances": Number(whole=True, minimum=1),
    "workers": Number(whole=True, minimum=1), "compute": Text(),
    "steps": ListOf(Number(whole=True, minimum=1)), "models": OneOf(("any", "champion")),
})
SHAPE = Record("the settings", {
    "experiment": _NAME, "compute": COMPUTE, "inputs": MapOf(job_input, empty=True),
    "stages": MapOf(Record("a stage", {
        "outputs": Text(), "gate": Text(), "pipelines": ListOf(Text()), "approval": OneOf(("none", "other", "required")),
        "after": Text(pattern=STAGE, hint=STAGE_HINT),
        "online": _ONLINE, "endpoints": MapOf(_ENDPOINT)}),
        key_pattern=STAGE, key_hint=STAGE_HINT),
    "champion": Text(pattern=STAGE, hint=STAGE_HINT),
    "datastores": MapOf(Text(), key_pattern=r"[A-Za-z0-9_-]{1,255}", empty=True,
                        key_hint="a datastore's name has letters, digits, '-' and '_'"),
    "sweeps": MapOf(Deferred(f"{kinds.__name__}.trials", "SWEEP_SETTINGS"), empty=True),
    "isolate": Flag(), "registries": _FOLDERS, "workspaces": _FOLDERS,
    "prices": MapOf(Number(minimum=0), key_pattern=r"[A-Za-z0-9_]{1,64}", empty=True,
                    key_hint="it is a size of virtual machines, such as Standard_DS3_v2"),
    "currency": Text(pattern=r"[A-Z]{3}", hint="a currency has three capital letters, such as EUR"),
    "limits": Record("limits", {"snapshot_megabytes": Number(minimum=0), "snapshot_files": Number(whole=True, minimum=1)}),
})
# Models are made in dev and come to the others through gates.
_USUAL: Mapping[str, tuple[str, ...]] = {"qa": ("preprocess", "score"), "prod": ("preprocess", "score")}


@dataclass(frozen=True, kw_only=True, slots=True)
class OnlineSettings:
    """How models are served on a stage.

    Attributes:
        endpoint: The online endpoint's name; None for what Terraform's outputs say.
        auth: How its clients sign in: ``aad_token`` (Entra ID) or ``key``.
        instance_type: The size of the virtual machines.
        instances: How many of them a deployment has.
        workers: How many processes answer in each of them.
        compute: A Kubernetes compute in the place of virtual machines.
        steps: The shares of the traffic that a new deployment gets, one after the other, in percent.
        models: Which models may be deployed: ``champion``, or ``any``; None for what is usual.
    """

    endpoint: str | None = None
    auth: str = "aad_token"
    instance_type: str = "Standard_DS3_v2"
    instances: int = 1
    workers: int = 1
    compute: str | None = None
    steps: tuple[int, ...] = (10, 50, 100)
    models: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StageSettings:
    """What the project wants of a stage.

    Attributes:
        outputs: The file, relative to the project, in which its Terraform outputs are published.
        gate: The gate file, relative to the project, that a model must pass before it is promoted to the stage.
        approval: Who has to approve that: ``none``; ``required``, anybody; ``other``, somebody else than promotes it.
        after: The stage that a model must have been the champion of before it is promoted to this one; None for any way.
        pipelines: Those that may run there; None for what is usual.
        online: How models are served there.
        endpoints: The batch endpoints of pipelines, by the pipelines' names; of others the stage's outputs say it.
        gate_place: Where the gate is named.
    """

    outputs: str | None = None
    gate: str | None = None
    approval: str = "none"
    after: str | None = None
    pipelines: tuple[str, ...] | None = None
    online: OnlineSettings = OnlineSettings()
    endpoints: Mapping[str, str] = field(default_factory=dict)
    gate_place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """A project's settings; every one has a default.

    Attributes:
        experiment: The name of the project's experiment in MLflow and Azure ML, of its joined pipeline, and the first
            part of the names that its assembled pipelines register.
        compute: The default compute of assembled pipelines, as Azure ML's YAML names it.
        inputs: Values for the inputs of assembled pipelines: ``raw``, ``data``, ``champion``, and any other input of a
            component as ``COMPONENT_INPUT``.
        sweeps: The sweep of each training component that is to be swept, by the component's name, as it stands there.
        stages: What the project wants of each stage.
        champion: The stage whose champion evaluate compares with, and that ``@champion`` means.
        mappings: What stands on this machine for datastores, registries and workspaces.
        isolate: Whether each step runs in an environment of its own.
        limits: What a component's code may have before ``mlops validate`` warns, and no stage takes it.
        prices: What an hour on a stage costs.
        file: How messages name the file.
    """

    experiment: str = "project"
    compute: str = "azureml:cpu"
    inputs: Mapping[str, InputValue] = field(default_factory=dict)
    sweeps: Mapping[str, Table] = field(default_factory=dict)
    stages: Mapping[str, StageSettings] = field(default_factory=dict)
    champion: str | None = None
    mappings: Mappings = NO_MAPPINGS
    isolate: bool = False
    limits: Limits = DEFAULT_LIMITS
    prices: Prices = NO_PRICES
    folder: str = field(default="", compare=False)
    file: str = field(default=FILE, compare=False)

    @property
    def published(self) -> Mapping[str, str]:
        """Of each stage for which it is said, the file in which its Terraform outputs are published."""
        return {name: stage.outputs for name, stage in self.stages.items() if stage.outputs}

    def online_on(self, stage: str) -> OnlineSettings:
        """How models are served on a stage."""
        named = self.stages.get(stage)
        return named.online if named is not None else OnlineSettings()

    def pipelines_on(self, stage: str) -> tuple[str, ...] | None:
        """The pipelines that may run on a stage; None for all."""
        named = self.stages.get(stage)
        return named.pipelines if named is not None and named.pipelines is not None else _USUAL.get(stage)


def read(value: Value, *, folder: str, default_experiment: str) -> Settings:
    """The settings of a project.

    Raises:
        CompileError: with every mistake of the file.
    """
    report = Report()
    defaults = Settings(experiment=default_experiment, folder=folder, file=value.place.file)
    if isinstance(value, Scalar) and value.value is None:
        return defaults
    SHAPE.check(value, report, "")
    if report.findings or not isinstance(value, Table):
        raise CompileError(report.findings)
    inputs: dict[str, Literal | Data] = {}
    table = value.get("inputs")
    for name, given in table.entries.items() if isinstance(table, Table) else ():
        read_value = read_input_value(given, report, f"input {name!r}")
        if isinstance(read_value, Literal | Data):
            inputs[name] = read_value
        elif read_value is not None:
            report.add("bad-binding", f"input {name!r} is a binding", given.place, fix="give a value or a path")
    stages = _stages(value.get("stages"), report)
    mappings = Mappings(
        datastores=_mapped(value.get("datastores"), "the datastore", folder, report, stores=True),
        registries=_mapped(value.get("registries"), "the registry", folder, report),
        workspaces=_mapped(value.get("workspaces"), "the workspace", folder, report))
    if report.findings:
        raise CompileError(report.findings)
    return Settings(experiment=_text(value, "experiment") or default_experiment,
                    compute=_text(value, "compute") or defaults.compute, inputs=inputs, folder=folder,
                    sweeps=_tables(value.get("sweeps")), stages=stages,
                    champion=_text(value, "champion"), mappings=mappings, limits=_limits(value.get("limits")),
                    prices=_prices(value),
                    isolate=as_flag(_text(value, "isolate")) or False, file=value.place.file)


def _tables(value: Value | None) -> dict[str, Table]:
    entries = value.entries if isinstance(value, Table) else {}
    return {name: entry for name, entry in entries.items() if isinstance(entry, Table)}


def _stages(value: Value | None, report: Report) -> dict[str, StageSettings]:
    return {name: StageSettings(outputs=_text(entry, "outputs"), gate=_text(entry, "gate"),
                                approval=_text(entry, "approval") or "none", after=_text(entry, "after"),
                                pipelines=_texts(entry.get("pipelines")),
                                online=_online(entry.get("online"), report),
                                endpoints=_names(entry.get("endpoints")),
                                gate_place=entry.entries["gate"].place if "gate" in entry.entries else entry.place)
            for name, entry in _tables(value).items()}


def _online(value: Value | None, report: Report) -> OnlineSettings:
    if not isinstance(value, Table):
        return OnlineSettings()
    given = {key: _text(value, key) for key in ("endpoint", "auth", "instance_type", "compute", "models")}
    for key in ("instances", "workers"):
        if isinstance(count := value.get(key), Scalar):
            given[key] = int(count.text)
    steps = value.get("steps")
    if isinstance(steps, Items):
        shares = tuple(int(item.text) for item in steps.items if isinstance(item, Scalar))
        if wrong := wrong_steps(shares):
            report.add("bad-traffic", f"the steps are {', '.join(map(str, shares)) or 'none'}", steps.place, why=wrong,
                       fix="write 'steps: [10, 50, 100]'")
        given["steps"] = shares
    return OnlineSettings(**{key: found for key, found in given.items() if found is not None})


def wrong_steps(shares: Sequence[int]) -> str:
    """Why these are no steps in which a new deployment takes over; empty when they are."""
    if list(shares) == sorted(set(shares)) and shares and shares[0] > 0 and shares[-1] == 100:
        return ""
    return "each is more than the one before, and the last is 100"


def _names(value: Value | None) -> dict[str, str]:
    entries = value.entries if isinstance(value, Table) else {}
    return {name: entry.text for name, entry in entries.items() if isinstance(entry, Scalar)}


def _texts(value: Value | None) -> tuple[str, ...] | None:
    return tuple(item.text for item in value.items if isinstance(item, Scalar)) if isinstance(value, Items) else None


def _mapped(value: Value | None, noun: str, folder: str, report: Report, *, stores: bool = False) -> dict[str, str]:
    """Folders, made absolute, and URLs when *stores*."""
    found: dict[str, str] = {}
    for name, given in value.entries.items() if isinstance(value, Table) else ():
        if not isinstance(given, Scalar):
            continue
        text = given.text
        if holds_secret(text):
            report.add("secret", f"{noun} {name!r} is mapped to a URL with a secret in it", given.place,
                       why="whoever reads the file can use it; here one signs in",
                       fix="leave out what comes after '?' and before '@', and sign in: az login")
        elif is_local(text):
            found[name] = str(local_path(text, folder))
        elif not stores:
            report.add("bad-mapping", f"{noun} {name!r} is mapped to {text!r}", given.place,
                       why="a registry or workspace is mapped to a folder of this machine", fix="name a folder")
        elif scheme_of(text) not in STORES or "://" not in text or "::" in text or "?" in text:
            report.add("bad-mapping", f"{noun} {name!r} is mapped to {text!r}", given.place,
                       why=f"it is a folder, or a URL of {', '.join(STORES)}",
                       fix=did_you_mean(scheme_of(text), STORES) if scheme_of(text) not in STORES else "write SCHEME://…/FOLDER")
        else:
            found[name] = text
    return found


def _limits(value: Value | None) -> Limits:
    if not isinstance(value, Table):
        return DEFAULT_LIMITS
    size, files = value.get("snapshot_megabytes"), value.get("snapshot_files")
    return Limits(
        snapshot_bytes=int(float(size.text) * 2**20) if isinstance(size, Scalar) else DEFAULT_LIMITS.snapshot_bytes,
        snapshot_files=int(files.text) if isinstance(files, Scalar) else DEFAULT_LIMITS.snapshot_files,
    )


def _prices(value: Table) -> Prices:
    table = value.get("prices")
    told = {size: as_number(price.value) for size, price in table.entries.items() if isinstance(price, Scalar)} \
        if isinstance(table, Table) else {}
    return Prices(hourly={size: float(price) for size, price in told.items() if price is not None},
                  currency=_text(value, "currency") or NO_PRICES.currency)


def _text(table: Table, key: str) -> Any:
    value = table.get(key)
    return value.value if isinstance(value, Scalar) else None
