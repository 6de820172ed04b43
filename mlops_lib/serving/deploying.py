"""A model of a stage's workspace, put behind its online endpoint and taken back: for ``mlops deploy`` and for Python."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, Refused, StageError, did_you_mean
from ..settings import OnlineSettings, wrong_steps

if TYPE_CHECKING:
    from ..engines.azureml.registry import WorkspaceModels
    from ..engines.azureml.workspace import Workspace
    from ..infra import Stage
    from ..stores.models import ModelVersion
    from .deployment import Deployment, Wish
    from .rollout import Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Ahead:
    """What a deployment would do.

    Attributes:
        steps: In words; empty when nothing is to be done.
    """

    endpoint: str
    deployment: str
    model: str
    steps: tuple[str, ...]


class ModelEndpoint:
    """The online endpoint of a stage, which serves a model.

    Args:
        stage: The stage.
        settings: How models are served there.
        name: The endpoint's name.
        pipelines: Gives the names of the project's pipelines: who misspells one may have meant another kind of endpoint.
    """

    def __init__(self, stage: Stage, settings: OnlineSettings, name: str, *, pipelines: Callable[[], Sequence[str]]) -> None:
        self.stage, self.name = stage, name
        self._settings, self._pipelines = settings, pipelines

    def __repr__(self) -> str:
        return f"<ModelEndpoint {self.name} on {self.stage.name}>"

    def deploy(self, model: str, *, any_version: bool = False, sample: str | Path | None = None,
               say: Callable[[str], None] = print, **wishes: Any) -> Outcome:
        """Let it serve a model: started without traffic, tried with a request, and given the traffic in steps.

        Args:
            model: ``NAME`` for the stage's champion, ``NAME:VERSION`` or ``NAME@latest``, of the models in its workspace.
            any_version: Whether one that is not the champion is served too, where only that is.
            sample: A file with a request as JSON, to try it with; default: the model's input example.
            say: Told what is done.
            wishes: As the options of ``mlops deploy``: ``auth``, ``compute``, ``instance_type``, ``instances``, ``workers``,
                ``steps`` (as in ``(10, 50, 100)``), ``watch`` (seconds), ``max_errors`` (percent), ``keep_failed``.

        Raises:
            JobError: it failed, and the traffic is as it was; Refused: it is not the champion; InputError: there is no such
            version, or a wish that does not fit; StageError: the stage cannot be reached, or lacks something.
        """
        from .rollout import roll_out

        wish = self._wish(**wishes)
        with self._deployment(model, wish, any_version, sample) as (workspace, deployment):
            try:
                return roll_out(workspace, deployment, wish, say)
            except KeyboardInterrupt:
                say("everything stays as it is at this moment: the same command goes on, --rollback goes back")
                raise

    def ahead(self, model: str, *, any_version: bool = False, sample: str | Path | None = None, **wishes: Any) -> Ahead:
        """What :meth:`deploy` would do; nothing is changed."""
        from .rollout import plan

        wish = self._wish(**wishes)
        with self._deployment(model, wish, any_version, sample) as (workspace, deployment):
            return Ahead(endpoint=wish.endpoint, deployment=deployment.name, model=deployment.model,
                         steps=tuple(plan(workspace, deployment, wish)))

    def rollback(self, model: str, *, say: Callable[[str], None] = print) -> Outcome:
        """Give the traffic back to the deployment that the present one has replaced.

        Args:
            model: The name of the model that is served there.
            say: Told what is done.

        Raises:
            InputError: there is none; JobError: it does not answer, and nothing has changed; StageError: there is no
            endpoint, or it cannot be reached.
        """
        from .rollout import roll_back

        with self._open() as (workspace, models):
            try:
                return roll_back(workspace, self.name, _parts(model)[0], say)
            except (InputError, StageError):
                self._check_known(models, model)
                raise

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[Workspace, WorkspaceModels]]:
        from ..engines.azureml.registry import WorkspaceModels
        from ..engines.azureml.workspace import Workspace

        with Workspace(self.stage) as workspace:
            yield workspace, WorkspaceModels(workspace)

    def _check_known(self, models: WorkspaceModels, target: str) -> None:
        """Refuse a name that is neither of the pipelines nor of the models."""
        known = self._pipelines()
        if target not in known and not set(target) & set(":@") and not models.versions(target):
            raise InputError(f"the project has no pipeline {target!r}, and {models.name} no model of that name",
                             fix=did_you_mean(target, [*known, *models.names()]))

    def _wish(self, *, auth: str | None = None, compute: str | None = None, instance_type: str | None = None,
              instances: int | None = None, workers: int | None = None, steps: Sequence[int] | None = None, watch: float = 60.0,
              max_errors: float = 1.0, keep_failed: bool = False) -> Wish:
        from .deployment import Wish

        usual = self._settings
        if steps is not None and (why := wrong_steps(steps)):
            raise InputError(f"{','.join(map(str, steps))} are no steps", why=why, fix="as in 10,50,100")
        compute = compute or usual.compute
        size = "" if compute else usual.instance_type  # on Kubernetes sizes are names of the cluster's own
        return Wish(endpoint=self.name, auth=auth or usual.auth, instance_type=instance_type or size,
                    instances=instances or usual.instances, workers=workers or usual.workers, compute=compute,
                    steps=usual.steps if steps is None else tuple(steps), watch=watch, errors=max_errors / 100,
                    keep=keep_failed)

    @contextlib.contextmanager
    def _deployment(self, target: str, wish: Wish, any_version: bool,
                    sample: str | Path | None) -> Iterator[tuple[Workspace, Deployment]]:
        """The deployment of a version in the stage's workspace."""
        from ..stores.models import CHAMPION, champion_among, find_version
        from .deployment import describe
        from .servable import fetch, read, request_of

        with self._open() as (workspace, models):
            self._check_known(models, target)
            name, wanted = _parts(target)
            version = find_version(models, name, wanted or CHAMPION)
            champion = champion_among(models.versions(name))
            if not any_version and self._champion_only() and (champion is None or champion.version != version.version):
                raise _no_champion(models.name, version, champion)
            with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
                found = read(fetch(models, version, Path(folder, "model")), version.name, version.version)
                if found.sample is None and sample is None:
                    raise InputError(f"the model {version} has no input example", why="a deployment is tried with a request",
                                     fix="give one: --sample FILE, or save the model with input_example=…")
                deployment = describe(found, request_of(found) if sample is None else _read(Path(sample)), wish)
            yield workspace, deployment

    def _champion_only(self) -> bool:
        """Whether the stage serves its champion only: prod does, unless the settings say otherwise."""
        models = self._settings.models
        return models == "champion" or (models is None and self.stage.name.partition("-")[0] == "prod")


def _parts(target: str) -> tuple[str, str]:
    """Name and version, or label, of a model."""
    name, _, wanted = target.removeprefix("azureml:").replace("@", ":").partition(":")
    return name, wanted


def _no_champion(stage: str, version: ModelVersion, champion: ModelVersion | None) -> Refused:
    who = f"that is {champion}" if champion else "there is none"
    return Refused(f"{version} is not the champion of {stage}", why=f"{who}, and only a champion is served there",
                   fix=f"promote it, or write --any-version, or in mlops.yml: stages: {{{stage}: {{online: {{models: any}}}}}}")


def _read(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", fix="name a file with the body of a request") from None
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}", fix="write the body of a request") from None
    if not isinstance(found, dict):
        raise InputError(f"{file} is no request", why="the body of one is an object", fix='{"dataframe_records": [{…}]}')
    return found
