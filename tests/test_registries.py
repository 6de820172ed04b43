"""Where a stage's models are: on this machine, unless something tells of a workspace."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import InputError, StageError
from mlops_lib.infra.sources import meant
from mlops_lib.project import Project
from mlops_lib.registries import Choice, Registries
from mlops_lib.stores.models import RunModels
from mlops_lib.stores.stages import StageModels
from mlops_lib.stores.store import Store


def outputs(stage: str) -> dict[str, Any]:
    from mlops_lib.emulator.setup import Setup

    return Setup(stage=stage).outputs()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "mlops.yml").write_text("stages: {test: {outputs: test.json}}\n")
    (tmp_path / "terraform/stages/dev").mkdir(parents=True)
    return Project(tmp_path)


@pytest.mark.parametrize("mark", [".terraform", "terraform.tfstate"])
def test_a_terraform_root_tells_of_a_workspace_once_it_was_initialised_here(project: Project, mark: str) -> None:
    assert meant("dev", project.root, environ={}) is None
    (project.root / "terraform/stages/dev" / mark).touch()
    source = meant("dev", project.root, environ={})
    assert source is not None
    assert source.told.startswith("terraform output in ")


def test_a_file_that_is_named_is_meant_whether_it_can_be_read_or_not(project: Project) -> None:
    for given in ({"outputs": "x.json"}, {"published": "x.json"}, {"environ": {"MLOPS_DEV_OUTPUTS": "x.json"}}):
        source = meant("dev", project.root, **{"environ": {}, **given})
        assert source is not None
        with pytest.raises(StageError):
            source.read()


def test_stages_are_on_this_machine_when_nothing_tells_of_them_and_that_is_told_once(project: Project) -> None:
    told: list[str] = []
    store = Store.open(project.root)
    with Registries(project, store, Choice(), told.append) as registries:
        assert isinstance(registries.find("runs"), RunModels)
        assert isinstance(registries.stage("dev"), StageModels)
        assert registries.find("dev") is registries.stage("dev")
        assert [line.split(",")[0] for line in told] == ["dev is on this machine"]
        with pytest.raises(InputError, match="there is no stage 'prd'"):
            registries.stage("prd")
        for find, fix in ((registries.find, "did you mean 'runs'?"), (registries.stage, "use one of dev, prod, qa, test")):
            with pytest.raises(InputError) as caught:
                find("rnus")
            assert caught.value.fix == fix
        with pytest.raises(StageError, match=r"test\.json cannot be read"):
            registries.stage("test")
    with Registries(project, store, Choice(local=True), told.append) as registries:
        assert isinstance(registries.stage("test"), StageModels)
    with Registries(project, store, Choice(local=False), told.append) as registries, \
            pytest.raises(StageError, match="nothing says where the workspace of 'dev' is"):
        registries.stage("dev")
    store.close()


def test_each_file_of_outputs_says_which_stage_it_is_of(tmp_path: Path) -> None:
    files = []
    for number, stage in enumerate(("dev", "qa", "qa")):
        files.append(str(tmp_path / f"{number}.json"))
        Path(files[-1]).write_text(json.dumps(outputs(stage)))
    assert Choice.of(None, files[:2]).outputs == {"dev": files[0], "qa": files[1]}
    with pytest.raises(InputError, match="are both of stage 'qa'"):
        Choice.of(None, files)
    with pytest.raises(InputError, match="--outputs is for workspaces"):
        Choice.of(True, files)
