import os
from typing import Any

import pytest

from mlops_lib.document import unparse
from mlops_lib.errors import InputError
from mlops_lib.graph import Value
from mlops_lib.repertoire import RENDERED


def test_pipelines_are_files_and_what_roles_give(small: Any) -> None:
    assert small.project.pipeline_names() == ["p"]
    small.write("components/score/component.yml", small.score)
    small.write("pipelines/.hidden.yml", "")
    small.write("pipelines/folder.yml/x", "")
    small.write("pipelines/notes.md", "")
    assert small.project.pipeline_names() == ["p", "score"]


def test_names_are_listed_even_when_components_are_broken(small: Any) -> None:
    small.write("components/score/component.yml", "name: [\n")
    assert small.project.pipeline_names() == ["p"]


@pytest.mark.parametrize("name", ["p", "pipelines/p.yml"])
def test_a_pipeline_is_loaded_by_name_or_file(small: Any, name: str) -> None:
    job, title, _ = small.project.load(name)
    assert (list(job.jobs), title) == (["a", "b"], "p")


def test_a_file_is_looked_for_where_the_user_is_first(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.root / "pipelines")
    assert small.project.load("p.yml")[1] == "p"


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
def test_a_pipeline_that_is_not_there_is_refused(small: Any, name: str, words: str, fix: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        small.project.load(name)
    assert fix in caught.value.fix


def test_a_file_written_by_hand_comes_before_what_roles_give_and_a_rendering_does_not(small: Any) -> None:
    small.write("components/score/component.yml", small.score)
    small.write("pipelines/score.yml", small.pipeline)
    assert list(small.project.load("score")[0].jobs) == ["a", "b"]
    small.write("pipelines/score.yml", RENDERED.format(name="score") + unparse(small.pipeline))
    assert list(small.project.load("score")[0].jobs) == ["score"]
    assert list(small.project.load("pipelines/score.yml")[0].jobs) == ["score"]


def test_a_command_job_runs_as_a_pipeline_with_its_inputs_and_outputs(small: Any) -> None:
    small.write(
        "pipelines/solo.yml",
        {
            "command": "x ${{inputs.rate}} ${{inputs.raw}} ${{outputs.out}}",
            "environment": "azureml:python@latest",
            "inputs": {"rate": 1, "raw": {"type": "uri_folder", "path": "../data"}},
            "outputs": {"out": None},
        },
    )
    job, name, _ = small.project.load("solo", {"rate": "2"})
    graph = small.project.graph(job, name)
    assert graph.steps["command"].inputs["rate"] == Value("2")
    assert list(graph.outputs) == ["out"]


def test_a_pipeline_written_by_hand_is_exported_as_it_is(small: Any) -> None:
    text = small.project.export("p")
    small.write("pipelines/q.yml", text)
    assert small.project.graph(*small.project.load("q")[:2]).steps == small.project.graph(*small.project.load("p")[:2]).steps


def test_a_file_written_by_hand_is_never_overwritten(small: Any) -> None:
    before = (small.root / "pipelines" / "p.yml").read_text()
    with pytest.raises(InputError, match="was written by hand"):
        small.project.write_pipeline("p", small.project.export("p"))
    assert (small.root / "pipelines" / "p.yml").read_text() == before


def test_writing_leaves_nothing_else_behind(small: Any) -> None:
    small.write("components/score/component.yml", small.score)
    assert small.project.write_pipeline("score", small.project.export("score")) == os.path.join("pipelines", "score.yml")
    assert sorted(path.name for path in (small.root / "pipelines").iterdir()) == ["p.yml", "score.yml"]


@pytest.mark.parametrize("name", ["nope", "train", "components/copy/component.yml"])
def test_what_is_no_pipeline_is_not_exported(small: Any, name: str) -> None:
    with pytest.raises(InputError):
        small.project.export(name)
