"""Twenty-five pipelines with one defect each, most of which the official SDK's offline validation lets pass: each is found,
by one finding at the right line, in the pipeline itself and three levels deep in nested pipelines."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlops_lib.errors import CompileError, Finding
from mlops_lib.project import Project

COMPONENT = """\
name: train
version: 1
type: command
inputs:
  data: {type: uri_folder}
  rate: {type: number, default: 0.1, max: 1}
  rounds: {type: integer, default: 10}
  mode: {type: string, default: fast, enum: [fast, slow]}
outputs:
  model: {type: mlflow_model}
code: src
environment:
  image: mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04
command: >-
  python train.py --data ${{inputs.data}} --rate ${{inputs.rate}} --rounds ${{inputs.rounds}} --mode ${{inputs.mode}}
  --model ${{outputs.model}}
"""
SCORE = """\
name: score
version: 1
type: command
inputs:
  model: {type: mlflow_model}
  data: {type: uri_folder}
outputs:
  predictions: {type: uri_folder}
code: src
environment:
  image: mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04
command: python score.py ${{inputs.model}} ${{inputs.data}} ${{outputs.predictions}}
"""
SCRIPT = """\
import argparse

parser = argparse.ArgumentParser()
for name in ("data", "rate", "rounds", "mode", "model"):
    parser.add_argument(f"--{name}", required=True)
args = parser.parse_args()
"""
JOBS = """\
jobs:
  train:
    type: command
    component: {here}/train/component.yml
    inputs:
      data: ${{{{parent.inputs.raw}}}}
      rate: 0.5
      rounds: 20
      mode: slow
  score:
    type: command
    component: {here}/score/component.yml
    inputs:
      model: ${{{{parent.jobs.train.outputs.model}}}}
      data: ${{{{parent.inputs.raw}}}}
    outputs:
      predictions: ${{{{parent.outputs.predictions}}}}
"""
JOB = "type: pipeline\nsettings: {default_compute: azureml:cpu}\ninputs:\n  raw: {type: uri_folder, path: ../data}\noutputs:\n  predictions:\n"
FLOW = "type: pipeline\nname: {name}\nversion: 1\ninputs:\n  raw: {{type: uri_folder}}\noutputs:\n  predictions: {{type: uri_folder}}\n"
INNER = """\
jobs:
  inner:
    type: pipeline
    component: {component}
    inputs:
      raw: ${{{{parent.inputs.raw}}}}
    outputs:
      predictions: ${{{{parent.outputs.predictions}}}}
"""
IN_JOBS, IN_TRAIN = "jobs", "train"
# What is wrong, where, what is written instead of what, the finding's code, and the text of the line that it is at.
DEFECTS = [
    ("a cycle", IN_JOBS, "data: ${{parent.inputs.raw}}\n      rate", "data: ${{parent.jobs.score.outputs.predictions}}\n      rate", "cycle", None),
    ("ports of two types", IN_JOBS, "data: ${{parent.inputs.raw}}\n    outputs", "data: ${{parent.jobs.train.inputs.rate}}\n    outputs", "type-clash", "data: ${{parent.jobs"),
    ("a string into a number", IN_JOBS, "rate: 0.5", "rate: fast", "bad-value", "rate: fast"),
    ("1.5 into an integer", IN_JOBS, "rounds: 20", "rounds: 1.5", "bad-value", "rounds: 1.5"),
    ("a value over the maximum", IN_JOBS, "rate: 0.5", "rate: 2", "bad-value", "rate: 2"),
    ("a value outside the enumeration", IN_JOBS, "mode: slow", "mode: medium", "bad-value", "mode: medium"),
    ("an unknown input", IN_JOBS, "      mode: slow", "      moed: slow", "unknown-input", "moed: slow"),
    ("a misspelt job", IN_JOBS, "jobs.train.outputs", "jobs.trian.outputs", "unknown-job", "jobs.trian"),
    ("a misspelt output", IN_JOBS, "outputs.model", "outputs.modle", "unknown-output", "outputs.modle"),
    ("a misspelt input of the pipeline", IN_JOBS, "raw}}\n      rate", "rwa}}\n      rate", "unknown-input", "parent.inputs.rwa"),
    ("an input that the command invents", IN_TRAIN, "--mode ${{inputs.mode}}", "--mode ${{inputs.nope}}", "unknown-port", "${{inputs.nope}}"),
    ("an output that the command invents", IN_TRAIN, "${{outputs.model}}", "${{outputs.nope}}", "unknown-port", "${{outputs.nope}}"),
    ("an output that the command never mentions", IN_TRAIN, "--model ${{outputs.model}}", "--model model", "unused-output", "model: {type"),
    ("a script that is not there", IN_TRAIN, "train.py", "trian.py", "missing-script", "trian.py"),
    ("a data path that is not there", IN_JOBS, "      data: ${{parent.inputs.raw}}\n      rate", "      data: {type: uri_folder, path: ./nowhere}\n      rate", "missing-path", "nowhere"),
    ("a misspelt key of a job", IN_JOBS, "    component: {here}/train", "    componnet: {here}/train", None, "componnet"),
    ("a misspelt key of a component", IN_TRAIN, "version: 1", "verison: 1", "unknown-key", "verison"),
    ("a renamed option", IN_TRAIN, "--rounds", "--num-rounds", "unknown-flag", "--num-rounds"),
    ("data bound to a number", IN_JOBS, "rate: 0.5", "rate: {type: uri_folder, path: .}", "data-into-literal", "rate: {"),
    ("a required input that is missing", IN_JOBS, "      model: ${{parent.jobs.train.outputs.model}}\n", "", "missing-input", "score:"),
    ("a code folder that is not there", IN_TRAIN, "code: src", "code: scr", "missing-code", "code: scr"),
    ("a malformed environment", IN_TRAIN, "environment:\n  image: mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04", "environment:\n  imgae: x", "unknown-key", "imgae"),
    ("a partial binding", IN_JOBS, "rate: 0.5", "rate: pre-${{parent.inputs.raw}}-post", "bad-binding", "pre-"),
    ("a reserved name", IN_TRAIN, "  mode: {type", "  user: {type: string, default: x}\n  mode: {type", "reserved-name", "user:"),
    ("a date", IN_JOBS, "mode: slow", "mode: 2026-02-01", None, "2026-02-01"),
]  # fmt: skip


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def shop(root: Path, where: str, old: str, new: str, levels: int) -> Path:
    """A project whose pipeline has its jobs *levels* deep, with *old* replaced by *new*; the file that was changed."""
    changed = {IN_JOBS: JOBS, IN_TRAIN: COMPONENT}
    assert old in changed[where].replace("{{{{", "{{").replace("}}}}", "}}") or old in changed[where]
    jobs = JOBS.replace("{{{{", "{{").replace("}}}}", "}}")
    component = COMPONENT
    if where == IN_JOBS:
        jobs = jobs.replace(old, new)
    else:
        component = component.replace(old, new)
    jobs = jobs.replace("{here}", "../components")
    write(root, "data/rows.csv", "a\n")
    train = write(root, "components/train/component.yml", component)
    write(root, "components/train/src/train.py", SCRIPT)
    write(root, "components/score/component.yml", SCORE)
    write(root, "components/score/src/score.py", "import sys\n")
    bodies = [jobs]
    for level in range(levels):
        bodies.append(INNER.format(component=f"./level{level}.yml").replace("{{{{", "{{").replace("}}}}", "}}"))
    deepest = root / "pipelines" / ("p.yml" if levels == 0 else "level0.yml")
    for level in range(levels):
        write(root, f"pipelines/level{level}.yml", FLOW.format(name=f"level{level}") + bodies[level])
    write(root, "pipelines/p.yml", JOB + bodies[levels])
    return train if where == IN_TRAIN else deepest


def found_in(root: Path) -> Sequence[Finding]:
    try:
        return Project(root, near=root).validate()
    except CompileError as error:
        return error.findings


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_the_pipeline_without_a_defect_has_no_finding(tmp_path: Path, levels: int) -> None:
    shop(tmp_path, IN_JOBS, "0.5", "0.4", levels)
    assert found_in(tmp_path) == ()


@pytest.mark.parametrize("levels", [0, 3])
@pytest.mark.parametrize(("where", "old", "new", "code", "line"), [defect[1:] for defect in DEFECTS], ids=[defect[0] for defect in DEFECTS])
def test_each_defect_is_one_finding_at_its_line(
    tmp_path: Path, where: str, old: str, new: str, code: str | None, line: str | None, levels: int
) -> None:
    file = shop(tmp_path, where, old, new, levels)
    [finding] = found_in(tmp_path)
    assert code in (None, finding.code)
    assert finding.place.file == str(file.relative_to(tmp_path))
    if line is not None:
        text = file.read_text().splitlines()[finding.place.line - 1]
        assert line.split()[0] in text
    assert finding.why or finding.fix


def test_there_are_twenty_five() -> None:
    assert len(DEFECTS) == 25
    assert len({defect[0] for defect in DEFECTS}) == 25


@pytest.mark.parametrize("change", [lambda text: text.replace("settings: {default_compute: azureml:cpu}\n", "")])
def test_no_compute_is_told_once_for_a_pipeline_however_deep(tmp_path: Path, change: Callable[[str], str]) -> None:
    shop(tmp_path, IN_JOBS, "0.5", "0.4", 3)
    path = tmp_path / "pipelines" / "p.yml"
    path.write_text(change(path.read_text()))
    [finding] = found_in(tmp_path)
    assert (finding.code, "inner.inner.inner.train" in finding.what) == ("no-compute", True)
