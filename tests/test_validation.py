from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import Finding, InputError, Severity


def codes(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(finding.code, finding.place.file) for finding in findings]


def test_a_project_without_mistakes_has_no_finding(small: Any) -> None:
    assert small.project.validate() == ()


def test_a_component_with_nothing_but_misspelt_keys_is_told_all_the_same(small: Any) -> None:
    small.write("components/new/component.yml", "nam: new\ncomand: x\n")
    assert {code for code, _ in codes(small.project.validate())} == {"unknown-key", "missing-key"}


def test_other_peoples_yaml_is_left_alone(small: Any) -> None:
    small.write(".github/workflows/ci.yml", "on: [push]\njobs: {test: {steps: []}}\n")
    small.write("ci/workflow.yml", "name: CI\non: [push]\njobs: {test: {runs-on: ubuntu, steps: []}}\n")
    small.write("azure-pipelines.yml", "trigger: [main]\njobs:\n- job: a\n")
    small.write("docker-compose.yml", "services: {web: {image: x}}\n")
    small.write("mkdocs.yml", "site_name: x\nnav: [!!python/name:x y]\n")
    small.write("broken.yml", "a: [\n")
    small.write("chart/template.yaml", "{{ if .x }}\n")
    small.write("components/copy/conda.yml", "dependencies: [python]\n")
    small.write("empty.yml", "")
    assert small.project.validate() == ()


@pytest.mark.parametrize("folder", ["components/x", "pipelines", "environments"])
def test_broken_yaml_where_ours_belongs_is_told(small: Any, folder: str) -> None:
    small.write(f"{folder}/broken.yml", "a: [\n")
    assert ("not-yaml", f"{folder}/broken.yml") in codes(small.project.validate())


@pytest.mark.parametrize("text", ["", "# to do\n", "- a\n", "word\n"])
def test_a_pipeline_file_without_a_pipeline_is_told(small: Any, text: str) -> None:
    small.write("pipelines/new.yml", text)
    assert codes(small.project.validate()) == [("unknown-kind", "pipelines/new.yml")]


def test_every_file_and_every_mistake_is_told_in_order(small: Any) -> None:
    small.write("components/copy/component.yml", small.copy.replace("max: 1", "mx: 1"))
    small.write("pipelines/p.yml", small.pipeline | {"tags": {"a": 1}})
    small.write("environments/e.yml", {"name": "e", "image": "i", "conda_file": "nope.yml"})
    small.write("data/asset.yml", {"name": "d", "type": "uri_file", "path": "nope.csv"})
    assert codes(small.project.validate()) == [
        ("unknown-key", "components/copy/component.yml"),
        ("missing-path", "data/asset.yml"),
        ("missing-file", "environments/e.yml"),
        ("wrong-type", "pipelines/p.yml"),
    ]


def test_only_what_is_named_is_checked(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.root)
    small.write("components/bad/component.yml", small.copy.replace("copy", "bad").replace("command:", "comand:"))
    assert small.project.validate(["pipelines/p.yml"]) == ()
    assert [finding.code for finding in small.project.validate(["components/bad/component.yml"])] == ["unknown-key"]
    assert [finding.code for finding in small.project.validate(["components"])] == ["unknown-key"]
    assert small.project.validate(["pipelines"]) == ()


def test_a_named_file_must_be_there_and_of_a_known_kind(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.root)
    with pytest.raises(InputError, match=r"the file 'nope\.yml' does not exist"):
        small.project.validate(["nope.yml"])
    with pytest.raises(InputError) as caught:
        small.project.validate(["pipelins"])
    assert caught.value.fix == "did you mean 'pipelines'?"
    small.write("ci.yml", "on: [push]\njobs: {}\n")
    assert [finding.code for finding in small.project.validate(["ci.yml"])] == ["unknown-kind"]
    small.write("quantum.yml", "$schema: https://azuremlschemas.azureedge.net/latest/quantumJob.schema.json\n")
    [finding] = small.project.validate(["quantum.yml"])
    assert (finding.code, finding.severity) == ("unchecked-kind", Severity.WARNING)
    small.write("cluster.yml", "$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json\nname: cpu\n")
    assert small.project.validate(["cluster.yml"]) == ()


def test_a_folder_outside_the_project_may_be_named(small: Any, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "broken.yml").write_text("a: [\n")
    (tmp_path / "other" / "component.yml").write_text(small.copy.replace("max", "mx"))
    assert [finding.code for finding in small.project.validate([tmp_path / "other"])] == ["unknown-key"]


def test_mistakes_that_only_assembling_shows_are_told_unless_a_file_takes_the_place(small: Any) -> None:
    small.write("components/score/component.yml", small.score.replace("role: score", "role: scroe"))
    assert codes(small.project.validate()) == [("unknown-role", "components/score/component.yml")]
    small.write(
        "components/score/component.yml",
        small.score.replace("inputs:\n", "inputs:\n  rows: {type: integer}\n").replace("run", "run ${{inputs.rows}}"),
    )
    assert codes(small.project.validate()) == [("assembly", "components/score/component.yml")]
    small.write("pipelines/score.yml", small.pipeline)
    assert small.project.validate() == ()


def test_a_rendering_that_lags_behind_is_a_warning(small: Any) -> None:
    small.write("components/score/component.yml", small.score)
    small.project.write_pipeline("score", small.project.export("score"))
    assert small.project.validate() == ()
    small.write(
        "components/score/component.yml",
        small.score.replace("inputs:\n", "inputs:\n  rows: {type: integer, default: 1}\n").replace("run", "run ${{inputs.rows}}"),
    )
    [finding] = small.project.validate()
    assert (finding.code, finding.severity) == ("stale-export", Severity.WARNING)
    assert "mlops export score --write" in finding.fix
    small.project.write_pipeline("score", small.project.export("score"))
    assert small.project.validate() == ()
