
from typing import Any

import pytest

from mlops_lib.errors import CompileError, InputError
from mlops_lib.graph import External
from mlops_lib.spec import Data, Literal


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
def test_a_literal_is_read_as_yaml_would(small: Any, name: str, given: str, text: str, value: object) -> None:
    found = small.project.load("p", {name: given})[0].inputs[name]
    assert isinstance(found, Literal)
    assert found.text == text
    assert value is None or (found.value == value and type(found.value) is type(value))


@pytest.mark.parametrize("name", ["raw", "text"])
def test_data_is_relative_to_where_the_user_is(small: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    small.write("elsewhere/mine/x", "")
    monkeypatch.chdir(small.root / "elsewhere")
    job, title, _ = small.project.load("p", {name: "mine"})
    [given] = [
        step.inputs["data"] for step in small.project.graph(job, title).steps.values() if step.name == ("a" if name == "raw" else "b")
    ]
    assert isinstance(given, External)
    assert given.path == str(small.root / "elsewhere" / "mine")


def test_a_uri_stays_a_uri(small: Any) -> None:
    assert small.project.load("p", {"raw": "azureml:other@latest"})[0].inputs["raw"] == Data(
        path="azureml:other@latest", type="uri_folder"
    )


def test_a_value_replaces_a_wrong_one_before_it_is_judged(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.root)
    small.write(
        "pipelines/p.yml",
        small.pipeline | {"inputs": small.pipeline["inputs"] | {"raw": {"type": "uri_folder", "path": "../fill/me/in"}, "rate": 7}},
    )
    with pytest.raises(CompileError):
        small.project.load("p")
    small.project.load("p", {"raw": "data", "rate": "0.5"})


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
def test_a_value_that_does_not_fit_is_refused(small: Any, values: dict[str, str], error: type[InputError], words: str) -> None:
    with pytest.raises(error) as caught:
        small.project.load("p", values)
    assert words in str(caught.value)


def test_values_reach_assembled_pipelines(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.root)
    small.write("components/score/component.yml", small.score)
    assert small.project.load("score", {"data": "data"})[0].inputs["data"] == Data(path=str(small.root / "data"), type="uri_folder")
