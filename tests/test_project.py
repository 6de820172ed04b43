import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.document import unparse
from mlops_lib.errors import CompileError, Finding, InputError, Severity, StageError
from mlops_lib.graph import External, Value
from mlops_lib.project import Project
from mlops_lib.repertoire import RENDERED
from mlops_lib.spec import Data, Literal

COPY = """\
name: copy
version: 1
command: cp -r ${{inputs.data}} ${{outputs.out}}; echo ${{inputs.rate}} ${{inputs.flag}} $[[${{inputs.note}}]]
environment: azureml:python@latest
inputs:
  data: {type: uri_folder}
  rate: {type: number, default: 0.5, max: 1}
  flag: {type: boolean, default: false}
  note: {type: string, optional: true}
outputs:
  out: {type: uri_folder}
"""
PIPELINE: dict[str, Any] = {
    "type": "pipeline",
    "compute": "azureml:cpu",
    "inputs": {"raw": {"type": "uri_folder", "path": "../data"}, "text": "../data", "rate": 0.1, "flag": False, "note": "hi"},
    "jobs": {
        "a": {
            "component": "../components/copy/component.yml",
            "inputs": {
                "data": "${{parent.inputs.raw}}",
                "rate": "${{parent.inputs.rate}}",
                "flag": "${{parent.inputs.flag}}",
                "note": "${{parent.inputs.note}}",
            },
        },
        "b": {"component": "azureml:copy@latest", "inputs": {"data": "${{parent.inputs.text}}"}},
    },
}
SCORE = """\
name: score
command: run ${{inputs.model}} ${{inputs.data}} ${{outputs.predictions}} ${{outputs.rejects}}
environment: azureml:python@latest
tags: {role: score}
inputs:
  model: {type: mlflow_model}
  data: {type: uri_folder}
outputs:
  predictions: {type: uri_folder}
  rejects: {type: uri_folder}
"""

Write = Callable[[str, object], Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "shop"


@pytest.fixture
def write(root: Path) -> Write:
    def write(name: str, content: object) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else unparse(content), encoding="utf-8")
        return path

    write("components/copy/component.yml", COPY)
    write("data/rows.csv", "a\n")
    write("pipelines/p.yml", PIPELINE)
    return write


@pytest.fixture
def project(root: Path, write: Write) -> Project:
    return Project(root, near=root)


def codes(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(finding.code, finding.place.file) for finding in findings]


# --- finding a project -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["mlops.yml", "components/x.yml", "pipelines/x.yml"])
def test_a_project_is_discovered_from_any_folder_in_it(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "shop" / mark
    path.parent.mkdir(parents=True)
    path.write_text("")
    (tmp_path / "shop" / "deep" / "down").mkdir(parents=True)
    assert Project.discover(tmp_path / "shop" / "deep" / "down").root == tmp_path / "shop"
    assert Project.discover(tmp_path / "shop").root == tmp_path / "shop"


def test_the_nearest_project_is_discovered(tmp_path: Path) -> None:
    (tmp_path / "components").mkdir()
    (tmp_path / "inner" / "pipelines").mkdir(parents=True)
    assert Project.discover(tmp_path / "inner" / "pipelines").root == tmp_path / "inner"


def test_where_there_is_no_project_says_what_one_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no project in") as caught:
        Project.discover()
    assert caught.value.why == "a project has mlops.yml, components or pipelines"


@pytest.mark.parametrize(
    ("folder", "experiment"),
    [("shop", "shop"), ("My flights!", "My-flights"), ("2024", "project-2024"), ("_x", "project-_x"), ("日本", "project")],
)
def test_the_experiment_is_named_after_the_folder_unless_told(tmp_path: Path, folder: str, experiment: str) -> None:
    (tmp_path / folder).mkdir()
    assert Project(tmp_path / folder).settings.experiment == experiment
    (tmp_path / folder / "mlops.yml").write_text("experiment: told\n")
    assert Project(tmp_path / folder).settings.experiment == "told"


def test_wrong_settings_are_told_as_the_project_is_opened(root: Path, write: Write) -> None:
    write("mlops.yml", "experimnt: x\ninputs: [\n")
    with pytest.raises(CompileError, match="not YAML"):
        Project(root)
    write("mlops.yml", "experimnt: x\n")
    with pytest.raises(CompileError, match=r"mlops.yml:1:1: the settings has no key|mlops.yml:1:1") as caught:
        Project(root, near=root)
    assert caught.value.fix == "did you mean 'experiment'?"


# --- pipelines by name -----------------------------------------------------------------------------------------------


def test_pipelines_are_files_and_what_roles_give(project: Project, write: Write) -> None:
    assert project.pipeline_names() == ["p"]
    write("components/score/component.yml", SCORE)
    write("pipelines/.hidden.yml", "")
    write("pipelines/folder.yml/x", "")
    write("pipelines/notes.md", "")
    assert project.pipeline_names() == ["p", "score"]


def test_names_are_listed_even_when_components_are_broken(project: Project, write: Write) -> None:
    write("components/score/component.yml", "name: [\n")
    assert project.pipeline_names() == ["p"]


@pytest.mark.parametrize("name", ["p", "pipelines/p.yml"])
def test_a_pipeline_is_loaded_by_name_or_file(project: Project, name: str) -> None:
    job, title, _ = project.load(name)
    assert (list(job.jobs), title) == (["a", "b"], "p")


def test_a_file_is_looked_for_where_the_user_is_first(
    project: Project, write: Write, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "pipelines")
    assert project.load("p.yml")[1] == "p"


@pytest.mark.parametrize(
    ("name", "words", "fix"),
    [
        ("pp", "no pipeline 'pp'", "did you mean 'p'?"),
        ("score", "no pipeline 'score'", "use one of p"),
        ("pipelines", "no pipeline 'pipelines'", ""),
        ("x.yml", "the file 'x.yml' does not exist", "use one of p"),
        ("pipelines/pq.yml", "does not exist", "did you mean 'p.yml'?"),
        ("elsewhere/p.yml", "does not exist", "did you mean 'p'?"),
        ("pipelines.yml", "does not exist", ""),
        ("", "no pipeline ''", ""),
    ],
)
def test_a_pipeline_that_is_not_there_is_refused(project: Project, name: str, words: str, fix: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        project.load(name)
    assert fix in caught.value.fix


def test_a_file_written_by_hand_comes_before_what_roles_give_and_a_rendering_does_not(project: Project, write: Write) -> None:
    write("components/score/component.yml", SCORE)
    write("pipelines/score.yml", PIPELINE)
    assert list(project.load("score")[0].jobs) == ["a", "b"]
    write("pipelines/score.yml", RENDERED.format(name="score") + unparse(PIPELINE))
    assert list(project.load("score")[0].jobs) == ["score"]
    assert list(project.load("pipelines/score.yml")[0].jobs) == ["score"]


def test_a_command_job_runs_as_a_pipeline_with_its_inputs_and_outputs(project: Project, write: Write) -> None:
    write(
        "pipelines/solo.yml",
        {
            "command": "x ${{inputs.rate}} ${{inputs.raw}} ${{outputs.out}}",
            "environment": "azureml:python@latest",
            "inputs": {"rate": 1, "raw": {"type": "uri_folder", "path": "../data"}},
            "outputs": {"out": None},
        },
    )
    job, name, _ = project.load("solo", {"rate": "2"})
    graph = project.graph(job, name)
    assert graph.steps["command"].inputs["rate"] == Value("2")
    assert list(graph.outputs) == ["out"]


# --- --set -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "text", "value"),
    [
        ("rate", "0.25", "0.25", 0.25),
        ("rate", "1e-3", "1e-3", "1e-3"),
        ("rate", "1", "1", 1),
        ("flag", "true", "True", True),
        ("flag", "yes", "True", True),
        ("note", "two words", "two words", "two words"),
        ("note", "a: b", "a: b", "a: b"),
        ("note", "[x", "[x", "[x"),
        ("note", "*.csv", "*.csv", "*.csv"),
        ("note", "", "", ""),
        ("note", "null", "null", "null"),
        ("note", "'1'", "1", "1"),
        ("note", "2024-01-01", "2024-01-01", None),
        ("note", "caf\udce9", "caf\udce9", "caf\udce9"),
        ("note", "${{x}}", "${{x}}", "${{x}}"),
    ],
)
def test_a_literal_is_read_as_yaml_would(project: Project, name: str, given: str, text: str, value: object) -> None:
    found = project.load("p", {name: given})[0].inputs[name]
    assert isinstance(found, Literal)
    assert found.text == text
    assert value is None or (found.value == value and type(found.value) is type(value))


@pytest.mark.parametrize("name", ["raw", "text"])
def test_data_is_relative_to_where_the_user_is(
    project: Project, write: Write, root: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write("elsewhere/mine/x", "")
    monkeypatch.chdir(root / "elsewhere")
    job, title, _ = project.load("p", {name: "mine"})
    [given] = [
        step.inputs["data"] for step in project.graph(job, title).steps.values() if step.name == ("a" if name == "raw" else "b")
    ]
    assert isinstance(given, External)
    assert given.path == str(root / "elsewhere" / "mine")


def test_a_uri_stays_a_uri(project: Project) -> None:
    assert project.load("p", {"raw": "azureml:other@latest"})[0].inputs["raw"] == Data(
        path="azureml:other@latest", type="uri_folder"
    )


def test_a_value_replaces_a_wrong_one_before_it_is_judged(
    project: Project, write: Write, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    write(
        "pipelines/p.yml",
        PIPELINE | {"inputs": PIPELINE["inputs"] | {"raw": {"type": "uri_folder", "path": "../fill/me/in"}, "rate": 7}},
    )
    with pytest.raises(CompileError):
        project.load("p")
    project.load("p", {"raw": "data", "rate": "0.5"})


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"rte": "1"}, InputError, "the pipeline has no input 'rte'"),
        ({"rate": "fast"}, CompileError, "--set rate: input 'rate'"),
        ({"rate": "2"}, CompileError, "above the maximum 1"),
        ({"raw": "nowhere"}, CompileError, "--set raw: the path"),
        ({"flag": "3"}, CompileError, "is not a boolean"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    project: Project, values: dict[str, str], error: type[InputError], words: str
) -> None:
    with pytest.raises(error) as caught:
        project.load("p", values)
    assert words in str(caught.value)


def test_values_reach_assembled_pipelines(project: Project, write: Write, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    write("components/score/component.yml", SCORE)
    assert project.load("score", {"data": "data"})[0].inputs["data"] == Data(path=str(root / "data"), type="uri_folder")


# --- validate --------------------------------------------------------------------------------------------------------


def test_a_project_without_mistakes_has_no_finding(project: Project) -> None:
    assert project.validate() == ()


def test_a_component_with_nothing_but_misspelt_keys_is_told_all_the_same(project: Project, write: Write) -> None:
    write("components/new/component.yml", "nam: new\ncomand: x\n")
    assert {code for code, _ in codes(project.validate())} == {"unknown-key", "missing-key"}


def test_other_peoples_yaml_is_left_alone(project: Project, write: Write) -> None:
    write(".github/workflows/ci.yml", "on: [push]\njobs: {test: {steps: []}}\n")
    write("ci/workflow.yml", "name: CI\non: [push]\njobs: {test: {runs-on: ubuntu, steps: []}}\n")
    write("azure-pipelines.yml", "trigger: [main]\njobs:\n- job: a\n")
    write("docker-compose.yml", "services: {web: {image: x}}\n")
    write("mkdocs.yml", "site_name: x\nnav: [!!python/name:x y]\n")
    write("broken.yml", "a: [\n")
    write("chart/template.yaml", "{{ if .x }}\n")
    write("components/copy/conda.yml", "dependencies: [python]\n")
    write("empty.yml", "")
    assert project.validate() == ()


@pytest.mark.parametrize("folder", ["components/x", "pipelines", "environments"])
def test_broken_yaml_where_ours_belongs_is_told(project: Project, write: Write, folder: str) -> None:
    write(f"{folder}/broken.yml", "a: [\n")
    assert ("not-yaml", f"{folder}/broken.yml") in codes(project.validate())


@pytest.mark.parametrize("text", ["", "# to do\n", "- a\n", "word\n"])
def test_a_pipeline_file_without_a_pipeline_is_told(project: Project, write: Write, text: str) -> None:
    write("pipelines/new.yml", text)
    assert codes(project.validate()) == [("unknown-kind", "pipelines/new.yml")]


def test_every_file_and_every_mistake_is_told_in_order(project: Project, write: Write) -> None:
    write("components/copy/component.yml", COPY.replace("max: 1", "mx: 1"))
    write("pipelines/p.yml", PIPELINE | {"tags": {"a": 1}})
    write("environments/e.yml", {"name": "e", "image": "i", "conda_file": "nope.yml"})
    write("data/asset.yml", {"name": "d", "type": "uri_file", "path": "nope.csv"})
    assert codes(project.validate()) == [
        ("unknown-key", "components/copy/component.yml"),
        ("missing-path", "data/asset.yml"),
        ("missing-file", "environments/e.yml"),
        ("wrong-type", "pipelines/p.yml"),
    ]


def test_only_what_is_named_is_checked(project: Project, write: Write, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    write("components/bad/component.yml", COPY.replace("copy", "bad").replace("command:", "comand:"))
    assert project.validate(["pipelines/p.yml"]) == ()
    assert [finding.code for finding in project.validate(["components/bad/component.yml"])] == ["unknown-key"]
    assert [finding.code for finding in project.validate(["components"])] == ["unknown-key"]
    assert project.validate(["pipelines"]) == ()


def test_a_schedule_that_is_not_there_is_told_with_the_schedules_that_are(
    project: Project, write: Write, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    for name in ("nightly", "weekly"):
        write(f"schedules/{name}.yml", f"name: {name}\ntrigger: {{type: cron, expression: '0 4 * * *'}}\n"
                                       "create_job: ../pipelines/p.yml\n")  # fmt: skip
    for name, fix in (("schedules/nigthly.yml", "did you mean 'nightly.yml'?"),
                      ("nigthly.yml", "did you mean 'schedules/nightly.yml'?"),
                      ("nightly", "did you mean 'schedules/nightly.yml'?"),
                      ("pipelines/p.yml", "use one of schedules/nightly.yml, schedules/weekly.yml")):  # fmt: skip
        with pytest.raises(InputError) as caught:
            project.schedule(name)
        assert caught.value.fix == fix


def test_a_stage_of_nearly_that_name_is_suggested(project: Project, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_DEV_OUTPUTS", "{}")
    with pytest.raises(InputError, match="there is no stage 'dve'") as caught:
        project.stage("dve")
    assert caught.value.fix == "did you mean 'dev'?"
    with pytest.raises(StageError, match="nothing says what stage 'production' has"):
        project.stage("production")


def test_a_named_file_must_be_there_and_of_a_known_kind(
    project: Project, write: Write, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(InputError, match=r"the file 'nope\.yml' does not exist"):
        project.validate(["nope.yml"])
    with pytest.raises(InputError) as caught:
        project.validate(["pipelins"])
    assert caught.value.fix == "did you mean 'pipelines'?"
    write("ci.yml", "on: [push]\njobs: {}\n")
    assert [finding.code for finding in project.validate(["ci.yml"])] == ["unknown-kind"]
    write("quantum.yml", "$schema: https://azuremlschemas.azureedge.net/latest/quantumJob.schema.json\n")
    [finding] = project.validate(["quantum.yml"])
    assert (finding.code, finding.severity) == ("unchecked-kind", Severity.WARNING)
    write("cluster.yml", "$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json\nname: cpu\n")
    assert project.validate(["cluster.yml"]) == ()


def test_a_folder_outside_the_project_may_be_named(project: Project, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "broken.yml").write_text("a: [\n")
    (tmp_path / "other" / "component.yml").write_text(COPY.replace("max", "mx"))
    assert [finding.code for finding in project.validate([tmp_path / "other"])] == ["unknown-key"]


def test_mistakes_that_only_assembling_shows_are_told_unless_a_file_takes_the_place(project: Project, write: Write) -> None:
    write("components/score/component.yml", SCORE.replace("role: score", "role: scroe"))
    assert codes(project.validate()) == [("unknown-role", "components/score/component.yml")]
    write(
        "components/score/component.yml",
        SCORE.replace("inputs:\n", "inputs:\n  rows: {type: integer}\n").replace("run", "run ${{inputs.rows}}"),
    )
    assert codes(project.validate()) == [("assembly", "components/score/component.yml")]
    write("pipelines/score.yml", PIPELINE)
    assert project.validate() == ()


def test_a_rendering_that_lags_behind_is_a_warning(project: Project, write: Write, root: Path) -> None:
    write("components/score/component.yml", SCORE)
    project.write_pipeline("score", project.export("score"))
    assert project.validate() == ()
    write(
        "components/score/component.yml",
        SCORE.replace("inputs:\n", "inputs:\n  rows: {type: integer, default: 1}\n").replace("run", "run ${{inputs.rows}}"),
    )
    [finding] = project.validate()
    assert (finding.code, finding.severity) == ("stale-export", Severity.WARNING)
    assert "mlops export score --write" in finding.fix
    project.write_pipeline("score", project.export("score"))
    assert project.validate() == ()


# --- export ----------------------------------------------------------------------------------------------------------


def test_a_pipeline_written_by_hand_is_exported_as_it_is(project: Project, write: Write) -> None:
    text = project.export("p")
    write("pipelines/q.yml", text)
    assert project.graph(*project.load("q")[:2]).steps == project.graph(*project.load("p")[:2]).steps


def test_a_file_written_by_hand_is_never_overwritten(project: Project, root: Path) -> None:
    before = (root / "pipelines" / "p.yml").read_text()
    with pytest.raises(InputError, match="was written by hand"):
        project.write_pipeline("p", project.export("p"))
    assert (root / "pipelines" / "p.yml").read_text() == before


def test_writing_leaves_nothing_else_behind(project: Project, write: Write, root: Path) -> None:
    write("components/score/component.yml", SCORE)
    assert project.write_pipeline("score", project.export("score")) == os.path.join("pipelines", "score.yml")
    assert sorted(path.name for path in (root / "pipelines").iterdir()) == ["p.yml", "score.yml"]


@pytest.mark.parametrize("name", ["nope", "train", "components/copy/component.yml"])
def test_what_is_no_pipeline_is_not_exported(project: Project, name: str) -> None:
    with pytest.raises(InputError):
        project.export(name)


# --- components in Python --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["copy", "components/copy/component.yml"])
def test_a_component_is_found_by_name_or_file(project: Project, name: str) -> None:
    assert project.component(name).__name__ == "copy"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cpoy", "did you mean 'copy'?"),
        ("components/cpoy/component.yml", "did you mean 'copy'?"),
        ("pipelines/p.yml", "is not a component"),
    ],
)
def test_a_component_that_is_not_there_is_refused(project: Project, name: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        project.component(name)
    assert words in str(caught.value)
