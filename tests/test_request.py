import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import CompileError, InputError
from mlops_lib.project import Project


def line_of(mark: str) -> int:
    return next(number for number, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.endswith(f"# {mark}"))


def test_a_pipeline_by_name_runs_in_python_as_on_the_command_line(
    copying: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    copying.write("other/in.txt", "zero\n")
    call = Project(copying.root).pipeline("p", raw="other", line="yes")
    run = call.run(jobs=1)
    assert run.succeeded
    assert "second" in capsys.readouterr().out
    assert run.outputs["result"].path.read_text() == "zero\nyes\n", "a path of the project's, and a text that stays one"
    again = copying.json("run", "p", "--set", "raw=other", "--set", "line='yes'")
    assert [step["status"] for step in again["steps"].values()] == ["reused", "reused"]
    resumed = copying.json("runs", "resume", run.id, cwd=copying.root / "data")
    assert [step["status"] for step in resumed["steps"].values()] == ["reused", "reused"]
    assert resumed["outputs"]["result"]["path"] == str(run.outputs["result"].path)


def test_a_pipeline_by_name_is_a_picture_and_yaml_and_is_read_anew_when_it_runs(copying: Any) -> None:
    call = Project(copying.root).pipeline(str(copying.root / "pipelines/p.yml"), {"line": "three"})
    assert repr(call) == "<pipeline 'p': first, second>"
    assert call.to_svg().startswith("<svg")
    assert "three" in call.to_yaml()
    copying.component(
        "add",
        "echo ${{inputs.before}} > /dev/null; echo new ${{inputs.line}} > ${{outputs.out}}",
        inputs={"before": "uri_folder", "line": "string"},
        outputs={"out": "uri_file"},
    )
    assert call.run(listener=lambda event: None).outputs["result"].path.read_text() == "new three\n"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"lne": "x"}, "the pipeline has no input 'lne'"),
        ({"raw": "nowhere"}, "nowhere' does not exist"),
    ],
)
def test_a_value_that_does_not_fit_is_told_at_the_line_that_gives_it(copying: Any, values: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        Project(copying.root).pipeline("p", **values)  # GIVES
    places = [one.place for one in caught.value.findings] if isinstance(caught.value, CompileError) else [caught.value.place]
    assert told in str(caught.value)
    assert [place and place.line for place in places] == [line_of("GIVES")]


def test_a_misspelt_name_is_told_with_the_one_that_is_meant(copying: Any) -> None:
    copying.pipeline({"first": ("copy", {"raw": "${{parent.inputs.raw}}", "count": "x"})}, name="train", inputs={
        "raw": {"type": "uri_folder", "path": "../data"}})  # fmt: skip
    with pytest.raises(InputError, match="did you mean 'train'"):
        Project(copying.root).pipeline("trian")


@pytest.mark.parametrize("value", [1000, 0.25, True, "1000", "yes", "a: b", " x ", "2024-01-01", Path("a/b"), "two\nlines", "'q'"])
def test_a_literal_is_recorded_so_that_it_is_read_as_the_same(copying: Any, value: Any) -> None:
    shop = Project(copying.root)
    call = shop.pipeline("p", line=value)
    recorded = json.loads(json.dumps(call._request["values"]))
    assert shop.load("p", recorded)[0].inputs["line"].text == call.job.inputs["line"].text == str(value)


def test_options_of_a_stage_want_one(copying: Any) -> None:
    call = Project(copying.root).pipeline("p")
    options = set(inspect.signature(call.run).parameters) - {"on", "jobs", "cache", "isolate", "listener"}
    given: dict[str, Any] = {"key": "k", "outputs": [], "follow": False, "cancel": True}
    assert set(given) == options
    for name, value in given.items():
        with pytest.raises(InputError, match="for runs on a stage"):
            call.run(**{name: value})
