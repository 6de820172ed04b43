from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import CompileError, InputError, StageError
from mlops_lib.project import Project

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


def test_wrong_settings_are_told_as_the_project_is_opened(small: Any) -> None:
    small.write("mlops.yml", "experimnt: x\ninputs: [\n")
    with pytest.raises(CompileError, match="not YAML"):
        Project(small.root)
    small.write("mlops.yml", "experimnt: x\n")
    with pytest.raises(CompileError, match=r"mlops.yml:1:1: the settings has no key|mlops.yml:1:1") as caught:
        Project(small.root, near=small.root)
    assert caught.value.fix == "did you mean 'experiment'?"


# --- what is not there -----------------------------------------------------------------------------------------------


def test_a_schedule_that_is_not_there_is_told_with_the_schedules_that_are(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.root)
    for name in ("nightly", "weekly"):
        small.write(f"schedules/{name}.yml", f"name: {name}\ntrigger: {{type: cron, expression: '0 4 * * *'}}\n"
                                       "create_job: ../pipelines/p.yml\n")  # fmt: skip
    for name, fix in (("schedules/nigthly.yml", "did you mean 'nightly.yml'?"),
                      ("nigthly.yml", "did you mean 'schedules/nightly.yml'?"),
                      ("nightly", "did you mean 'schedules/nightly.yml'?"),
                      ("pipelines/p.yml", "use one of schedules/nightly.yml, schedules/weekly.yml")):  # fmt: skip
        with pytest.raises(InputError) as caught:
            small.project.schedule(name)
        assert caught.value.fix == fix


def test_a_stage_of_nearly_that_name_is_suggested(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_DEV_OUTPUTS", "{}")
    with pytest.raises(InputError, match="there is no stage 'dve'") as caught:
        small.project.stage("dve")
    assert caught.value.fix == "did you mean 'dev'?"
    with pytest.raises(StageError, match="nothing says what stage 'production' has"):
        small.project.stage("production")


# --- components in Python --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["copy", "components/copy/component.yml"])
def test_a_component_is_found_by_name_or_file(small: Any, name: str) -> None:
    assert small.project.component(name).__name__ == "copy"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cpoy", "did you mean 'copy'?"),
        ("components/cpoy/component.yml", "did you mean 'copy'?"),
        ("pipelines/p.yml", "is not a component"),
    ],
)
def test_a_component_that_is_not_there_is_refused(small: Any, name: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        small.project.component(name)
    assert words in str(caught.value)
