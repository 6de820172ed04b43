"""A pipeline on a stage from beginning to end: jobs really run there, and make what they make here."""

from pathlib import Path

import pytest

from mlops_lib.engines import Event, StepPrinted
from mlops_lib.infra import Stage
from mlops_lib.project import Project
from mlops_lib.stores.records import Status

from .conftest import write_project
from .stage import ScriptedAzure

SCRIPT = """\
import pathlib, sys

source, rate, made = sys.argv[1:]
rows = sorted(path.read_text() for path in pathlib.Path(source).rglob("*.csv"))
pathlib.Path(made).mkdir(parents=True, exist_ok=True)
pathlib.Path(made, "rows.csv").write_text("".join(rows) + f"{rate}\\n")
print("wrote", len(rows), "rows at", rate)
"""


@pytest.fixture
def real(tmp_path: Path, azure: ScriptedAzure) -> Project:
    azure.run_for_real()
    write_project(tmp_path, ["prep", "train"])
    for name in ("prep", "train"):
        (tmp_path / "components" / name / "src" / "main.py").write_text(SCRIPT)
    path = tmp_path / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("jobs:\n", "outputs:\n  table: {type: uri_folder}\njobs:\n")
                    + "    outputs: {made: '${{parent.outputs.table}}'}\n")
    return Project(tmp_path)


def test_a_run_on_a_stage_makes_what_a_run_here_makes(real: Project, stage: Stage) -> None:
    job, name, catalogue = real.load("p")
    here = real.run(job, name, catalogue, request={})
    assert here.succeeded, here.errors
    job, name, catalogue = real.load("p")
    events: list[Event] = []
    there = real.run_on(stage, job, name, catalogue, request={}, outputs=["table"], listener=events.append)
    assert there.status is Status.COMPLETED, there.errors
    assert (there.outputs["table"].path / "rows.csv").read_text() == (here.outputs["table"].path / "rows.csv").read_text()
    assert {step.status for step in there.steps.values()} == {Status.COMPLETED}
    printed = [(event.step, line) for event in events if isinstance(event, StepPrinted) for line in event.lines]
    assert {("prep", "wrote 1 rows at 0.5"), ("train", "wrote 1 rows at 0.5")} <= set(printed)


def test_a_step_that_fails_there_is_told_with_its_last_lines(real: Project, stage: Stage) -> None:
    (real.root / "components" / "train" / "src" / "main.py").write_text("print('so far so good')\nraise SystemExit('no rows')\n")
    job, name, catalogue = real.load("p")
    there = real.run_on(stage, job, name, catalogue, request={}, outputs=["table"])
    assert there.status is Status.FAILED
    assert there.steps["prep"].status is Status.COMPLETED
    [error] = there.errors
    assert "step 'train' failed on stage 'dev'" in error
    assert "no rows" in error


def test_submissions_at_once_make_a_job_each(real: Project, stage: Stage) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def submit(number: int) -> str:
        job, name, catalogue = real.load("p", {"raw": str(real.root / "data")})
        return real.run_on(stage, job, name, catalogue, request={}, key=str(number), follow=False).id

    assert submit(0) == submit(0)
    with ThreadPoolExecutor(max_workers=5) as pool:
        names = list(pool.map(submit, range(10)))
    assert len(set(names)) == 10
