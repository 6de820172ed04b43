"""Assets of files, registered in a workspace of the local Azure ML and on this machine, each content once."""

import json
import shutil
from pathlib import Path

import pytest

from mlops_lib.emulator.router import Service
from mlops_lib.engines.assets import Registered
from mlops_lib.errors import CompileError, InputError, StageError
from mlops_lib.infra import Stage
from mlops_lib.project import Project

from .conftest import Mlops, write_project
from .stage import ScriptedAzure

DATA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: rows\ntype: uri_folder\npath: ../data\n"
MODEL = "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: best\ntype: custom_model\npath: ./best.bin\n"
FILES = {
    "data": "assets/rows.yml", "model": "assets/best.yml", "environment": "environments/py/environment.yml",
    "component": "components/prep/component.yml",
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, azure: ScriptedAzure) -> Project:
    azure.run_for_real()
    write_project(tmp_path, ["prep", "train"])
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "rows.yml").write_text(DATA)
    (tmp_path / "assets" / "best.yml").write_text(MODEL)
    (tmp_path / "assets" / "best.bin").write_bytes(b"weights")
    return Project(tmp_path)


def register(project: Project, kind: str, stage: Stage | None, *files: str) -> list[tuple[str, str, bool]]:
    done = project.register(kind, [project.root / file for file in files or (FILES[kind],)], on="dev" if stage is not None else None)
    return [(one.name, one.version, one.new) for one in done]


def edit(project: Project, file: str, old: str, new: str) -> None:
    path = project.root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def written(azure: ScriptedAzure) -> list[str]:
    return [f"{call.method} {call.path.rpartition('/workspaces/')[2].partition('/')[2]}"
            for call in azure.requests(Service.MANAGEMENT) if call.method in ("PUT", "PATCH")]


@pytest.mark.parametrize("kind", ["data", "model", "environment", "component"])
def test_the_same_content_is_registered_once_by_whoever_comes(
    project: Project, stage: Stage, azure: ScriptedAzure, tmp_path: Path, kind: str
) -> None:
    [(name, version, new)] = register(project, kind, stage)
    assert (version, new) == ("1", True)
    azure.calls.clear()
    assert register(project, kind, stage) == [(name, version, False)]
    assert written(azure) == []
    # another machine, which remembers nothing, in another folder
    other = Project(shutil.copytree(tmp_path, tmp_path / "elsewhere", ignore=shutil.ignore_patterns(".mlops")))
    assert register(other, kind, stage) == [(name, version, False)]
    assert written(azure) == []


@pytest.mark.parametrize(("kind", "file", "old", "new"), [
    ("data", "data/rows.csv", "1", "2"),
    ("model", "assets/best.bin", "weights", "other"),
    ("environment", "environments/py/environment.yml", "python:3.12", "python:3.13"),
    ("component", "components/prep/src/main.py", "print", "print  "),
    ("component", "components/prep/component.yml", "default: 0.5", "default: 0.6"),
    ("component", "environments/py/environment.yml", "python:3.12", "python:3.13"),
])  # fmt: skip
def test_other_content_is_another_version_where_the_file_says_none(
    project: Project, stage: Stage, kind: str, file: str, old: str, new: str
) -> None:
    for yml in ("components/prep/component.yml", "environments/py/environment.yml"):
        for version in ('version: "1"\n', "version: '1'\n"):
            path = project.root / yml
            if kind in yml:
                path.write_text(path.read_text().replace(version, ""))
    [(_, first, _)] = register(project, kind, stage)
    edit(project, file, old, new)
    [(_, second, fresh)] = register(project, kind, stage)
    assert (fresh, second != first) == (True, True)
    edit(project, file, new, old)
    assert register(project, kind, stage)[0][2], "the newest version is not that content: what is latest must be what the file says"


@pytest.mark.parametrize("kind", ["environment", "component"])
def test_a_version_that_exists_with_other_content_is_refused_and_nothing_is_registered(
    project: Project, stage: Stage, azure: ScriptedAzure, kind: str
) -> None:
    register(project, kind, stage)
    edit(project, "environments/py/environment.yml", "python:3.12", "python:3.13")
    azure.calls.clear()
    others = ["components/train/component.yml"] if kind == "component" else []
    with pytest.raises(InputError, match="with other content") as caught:
        register(project, kind, stage, FILES[kind], *others)
    assert caught.value.place is not None
    assert caught.value.place.file.endswith(FILES[kind].rpartition("/")[2])
    assert written(azure) == []


def test_the_code_and_environment_of_a_parallel_component_are_its_content(project: Project, stage: Stage) -> None:
    folder = project.root / "components" / "count"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "count.py").write_text("def init(): pass\ndef run(batch): return batch\n")
    (folder / "component.yml").write_text(json.dumps({
        "$schema": "https://azuremlschemas.azureedge.net/latest/parallelComponent.schema.json", "type": "parallel", "name": "count",
        "inputs": {"rows": {"type": "uri_folder"}}, "outputs": {"out": {"type": "uri_file"}}, "input_data": "${{inputs.rows}}",
        "mini_batch_size": "1", "resources": {"instance_count": 1}, "max_concurrency_per_instance": 1,
        "task": {"type": "run_function", "code": "src", "entry_script": "count.py", "append_row_to": "${{outputs.out}}",
                 "environment": "file:../../environments/py/environment.yml"}}))
    file = "components/count/component.yml"
    assert register(project, "component", stage, file) == [("count", "1", True)]
    assert register(project, "component", stage, file) == [("count", "1", False)]
    edit(project, "components/count/src/count.py", "return batch", "return list(batch)")
    assert register(project, "component", stage, file) == [("count", "2", True)]
    edit(project, "environments/py/environment.yml", "python:3.12", "python:3.13")
    assert register(project, "component", stage, file) == [("count", "3", True)]
    assert register(project, "component", stage, file) == [("count", "3", False)]
    edit(project, file, '"file:../../environments/py/environment.yml"', '{"image": "python:3.12"}')
    assert register(project, "component", stage, file) == [("count", "4", True)]


def test_words_about_a_version_are_not_its_content(project: Project, stage: Stage) -> None:
    register(project, "component", stage)
    edit(project, FILES["component"], "name: prep\n", "name: prep\ndescription: other words\ntags: {a: b}\n")
    assert register(project, "component", stage) == [("prep", "1", False)]


def test_a_version_that_others_registered_is_azures_to_compare(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    register(project, "environment", stage)
    key = f"{stage.workspace['id']}/environments/py/versions/1"
    body = json.loads(json.dumps(azure.world.resources.get(key).body))
    body["properties"]["properties"] = {}
    azure.world.resources.put(key, body)
    assert register(project, "environment", stage) == [("py", "1", False)]
    body["properties"]["image"] = "python:3.9"
    azure.world.resources.put(key, body)
    with pytest.raises(InputError, match="could not register the environment 'py'"):
        register(project, "environment", stage)


def test_many_are_registered_at_once_with_one_environment_and_shared_code(
    project: Project, stage: Stage, azure: ScriptedAzure
) -> None:
    names = [f"c{number}" for number in range(8)]
    write_project(project.root, names)
    for name in names[4:]:
        (project.root / "components" / name / "src" / "main.py").write_text("print('the same')\n")
    files = [f"components/{name}/component.yml" for name in names]
    assert register(project, "component", stage, *files) == [(name, "1", True) for name in names]
    assert len([path for path in written(azure) if path.startswith("PUT environments/")]) == 1
    codes = {call.path for call in azure.requests(Service.MANAGEMENT) if call.method == "PUT" and "/codes/" in call.path}
    assert len(codes) == 5, "code that components share is uploaded once"
    azure.calls.clear()
    assert register(project, "component", stage, *files) == [(name, "1", False) for name in names]
    assert len(azure.requests(Service.MANAGEMENT)) == len(names)


def test_an_environment_that_a_component_names_comes_along_from_the_project_or_is_missed(
    project: Project, stage: Stage
) -> None:
    edit(project, FILES["component"], "file:../../environments/py/environment.yml", "azureml:py:1")
    assert register(project, "component", stage) == [("prep", "1", True)]
    assert register(project, "environment", stage)[0][1:] == ("1", False)
    edit(project, "components/train/component.yml", "file:../../environments/py/environment.yml", "azureml:elsewhere:3")
    with pytest.raises(StageError, match="lacks what the components name") as caught:
        register(project, "component", stage, "components/train/component.yml")
    assert "environment 'elsewhere' version 3" in caught.value.why


def test_a_pipeline_component_is_another_when_what_is_in_it_is(project: Project, stage: Stage) -> None:
    file = "components/both/component.yml"
    (project.root / "components" / "both").mkdir()
    (project.root / file).write_text(
        "$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json\ntype: pipeline\nname: both\n"
        "inputs:\n  raw: {type: uri_folder}\njobs:\n  prep:\n    type: command\n    component: ../prep/component.yml\n"
        "    inputs: {source: '${{parent.inputs.raw}}'}\n    compute: azureml:cpu\n")
    assert register(project, "component", stage, file) == [("both", "1", True)]
    assert register(project, "component", stage, file) == [("both", "1", False)]
    edit(project, "components/prep/src/main.py", "print", "print  ")
    assert register(project, "component", stage, file) == [("both", "2", True)]


@pytest.mark.parametrize(("kind", "files", "said"), [
    ("data", ("assets/best.yml",), "assets/best.yml is no data"),
    ("component", ("environments/py/environment.yml",), "environments/py/environment.yml is no component"),
    ("model", ("pipelines/p.yml",), "pipelines/p.yml is no model"),
    ("data", ("assets/none.yml",), "does not exist"),
    ("component", ("components/prep",), "is a folder\n.*\n  fix: name the one in it: components/prep/component.yml"),
    ("component", ("components/prep/component.yml", "components/again/component.yml"), "is in two files"),
])  # fmt: skip
def test_files_that_are_something_else_are_refused_before_anything_is_sent(
    project: Project, stage: Stage, azure: ScriptedAzure, kind: str, files: tuple[str, ...], said: str
) -> None:
    shutil.copytree(project.root / "components" / "prep", project.root / "components" / "again")
    with pytest.raises(InputError, match=said):
        register(project, kind, stage, *files)
    assert azure.requests(Service.MANAGEMENT) == []


@pytest.mark.parametrize("here", [True, False])
def test_no_file_makes_a_model_the_champion(project: Project, stage: Stage, azure: ScriptedAzure, here: bool) -> None:
    edit(project, "assets/best.yml", "path:", "tags: {owner: ann, deployment: champion, promotion: '99'}\npath:")
    with pytest.raises(InputError, match="the tag 'deployment' is not for hands") as caught:
        register(project, "model", None if here else stage)
    assert (str(caught.value.place), azure.requests(Service.MANAGEMENT)) == ("assets/best.yml:4:7", [])


def test_files_with_mistakes_are_refused_with_all_of_them(project: Project, stage: Stage) -> None:
    edit(project, FILES["component"], "default: 0.5", "default: fast")
    with pytest.raises(CompileError):
        register(project, "component", stage)


# --- on this machine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["data", "model"])
def test_data_and_models_are_registered_here_too_with_their_bytes(project: Project, kind: str) -> None:
    edit(project, FILES[kind], "path:", "tags: {owner: ann}\npath:")
    [(name, version, new)] = register(project, kind, None)
    assert (version, new) == ("1", True)
    assert register(project, kind, None) == [(name, "1", False)]
    edit(project, "data/rows.csv" if kind == "data" else "assets/best.bin", "1" if kind == "data" else "weights", "2")
    assert register(project, kind, None) == [(name, "2", True)]
    store = project.store()
    assert store.assets.tags(kind, name, "1") == {"owner": "ann"}
    first = store.assets.find(kind, name, "1")
    path = store.folder / first.path
    kept = {file.name: file.read_bytes() for file in path.iterdir()}
    assert kept == ({"rows.csv": b"a\n1\n"} if kind == "data" else {"best.bin": b"weights"})
    store.close()


def test_registered_data_is_what_a_pipeline_reads_by_its_name(project: Project) -> None:
    register(project, "data", None)
    for name in ("prep", "train"):
        (project.root / "components" / name / "src" / "main.py").write_text(
            "import pathlib, sys\npathlib.Path(sys.argv[3]).mkdir(exist_ok=True)\nprint(list(pathlib.Path(sys.argv[1]).iterdir()))\n")
    edit(project, "pipelines/p.yml", "path: ../data", "path: azureml:rows@latest")
    job, name, catalogue = project.load("p")
    assert project.run(job, name, catalogue, request={}).succeeded


def test_what_this_machine_cannot_keep_is_refused(project: Project) -> None:
    with pytest.raises(InputError, match="is registered on a stage"):
        register(project, "component", None)
    edit(project, FILES["data"], "path: ../data", "path: azureml://datastores/raw/paths/rows/")
    with pytest.raises(InputError, match="not on this machine"):
        register(project, "data", None)


# --- the commands ------------------------------------------------------------------------------------------------------


def test_the_commands_register_list_and_show(project: Project, stage: Stage, mlops: Mlops) -> None:
    files = ["components/prep/component.yml", "components/train/component.yml"]
    done = mlops("components", "register", *files, "--on", "dev")
    assert (done.code, done.out) == (0, "prep:1  registered\ntrain:1  registered\n"), done.err
    assert done.err == "2 new, 0 there already\n"
    told = json.loads(mlops("components", "register", *files, "--on", "dev", "--json").out)
    assert [(one["name"], one["version"], one["new"]) for one in told] == [("prep", "1", False), ("train", "1", False)]
    listed = json.loads(mlops("components", "list", "--on", "dev", "--json").out)
    assert [(row["name"], row["version"]) for row in listed] == [("prep", "1"), ("train", "1")]
    shown = mlops("components", "show", "prep", "--on", "dev").out.splitlines()
    assert {"type         command", "versions     1"} <= {line.rstrip() for line in shown}
    missing = mlops("components", "show", "perp", "--on", "dev")
    assert (missing.code, "did you mean 'prep'?" in missing.err) == (2, True)
    assert mlops("components", "show", "prep:9", "--on", "dev").code == 2
    assert mlops("data", "list", "--on", "dev").err == "stage 'dev' has no data asset yet\n"
    assert mlops("data", "register", FILES["data"], "--on", "dev").code == 0
    assert json.loads(mlops("data", "show", "rows@latest", "--on", "dev", "--json").out)["versions"] == ["1"]
    assert mlops("models", "register", FILES["model"], "--on", "dev").code == 0
    assert [row["name"] for row in json.loads(mlops("models", "list", "--on", "dev", "--json").out)] == ["best"]


def test_the_commands_look_at_the_project_where_no_stage_is_named(project: Project, mlops: Mlops) -> None:
    assert "prep   1        command" in mlops("components", "list").out
    assert json.loads(mlops("environments", "list", "--json").out) == [
        {"name": "py", "version": "1", "about": "python:3.12", "file": "environments/py/environment.yml"}]
    assert "image: python:3.12" in mlops("environments", "show", "py:1").out
    assert json.loads(mlops("components", "show", "prep", "--json").out)["name"] == "prep"
    missing = mlops("components", "show", "perp")
    assert (missing.code, "did you mean 'prep'?" in missing.err) == (2, True)
    assert mlops("environments", "show", "py:7").code == 2
    assert mlops("components", "list", "--outputs", "x.json").code == 2
    assert mlops("data", "register", FILES["data"]) == (0, "rows:1  registered\n", "1 new, 0 there already\n")
    assert "the file assets/rows.yml" in mlops("data", "show", "rows").out
    assert "assets/rows.yml" in mlops("data", "list").out
    assert mlops("models", "register", FILES["model"]).code == 0
    assert "the file assets/best.yml" in mlops("models", "show", "best").out
    assert "assets/best.yml" in mlops("models", "list").out


def test_what_is_registered_says_where_it_comes_from(project: Project, stage: Stage) -> None:
    [one] = project.register("data", [project.root / FILES["data"]], on="dev")
    assert isinstance(one, Registered)
    assert (one.kind, one.file) == ("data", project.root / FILES["data"])
    assert one.id.endswith("/data/rows/versions/1")


def test_the_data_that_jobs_of_a_pipeline_component_read_is_its_content(project: Project, stage: Stage) -> None:
    inner = {"type": "command", "component": "../prep/component.yml", "inputs": {"source": {"type": "uri_folder", "path": "../../data"}}}
    (project.root / "components" / "both").mkdir()
    (project.root / "components" / "both" / "component.yml").write_text(json.dumps({"type": "pipeline", "name": "both", "jobs": {"inner": inner}}))
    file = "components/both/component.yml"
    [(_, first, _)] = register(project, "component", stage, file)
    assert register(project, "component", stage, file) == [("both", first, False)]
    edit(project, "data/rows.csv", "1", "2")
    [(_, second, new)] = register(project, "component", stage, file)
    assert (new, second != first) == (True, True)
