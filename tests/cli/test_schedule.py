import signal
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

JOB = """\
type: pipeline
compute: azureml:cpu
inputs: {text: hello, times: 1}
jobs:
  say:
    type: command
    component: ../components/say/component.yml
    inputs: {text: "${{parent.inputs.text}}", times: "${{parent.inputs.times}}"}
outputs: {said: "${{parent.jobs.say.outputs.said}}"}
"""
NIGHTLY = """\
name: nightly
trigger: {type: cron, expression: "0 2 * * *"}
create_job:
"""


@pytest.fixture
def speaker(project: Callable[..., Any]) -> Any:
    shop = project()
    shop.component(
        "say",
        "for i in $(seq ${{inputs.times}}); do echo ${{inputs.text}} >> ${{outputs.said}}; done",
        inputs={"text": "string", "times": "integer"},
        outputs={"said": "uri_file"},
    )
    shop.write("pipelines/p.yml", JOB)
    return shop


def said(run: Any) -> str:
    return Path(run.outputs["said"].path).read_text()


@pytest.mark.parametrize(
    ("create_job", "expected"),
    [
        ("  ../pipelines/p.yml\n", "hello\n"),
        ("  {type: pipeline, job: ../pipelines/p.yml, inputs: {times: 2}}\n", "hello\nhello\n"),
        ("".join(f"  {line}\n" for line in JOB.replace("hello", "inline").splitlines()), "inline\n"),
    ],
)
def test_running_a_schedules_file_runs_what_it_starts(speaker: Any, create_job: str, expected: str) -> None:
    speaker.write("schedules/nightly.yml", NIGHTLY.replace("create_job:\n", f"create_job:\n{create_job}"))
    assert said(speaker.run("schedules/nightly.yml")) == expected


def test_what_azure_fills_in_when_a_schedule_fires_is_filled_in(speaker: Any) -> None:
    changes = "inputs: {text: '${{name}} ${{creation_context.trigger_time}}'}"
    speaker.write("schedules/nightly.yml", f"{NIGHTLY}  {{type: pipeline, job: ../pipelines/p.yml, {changes}}}\n")
    speaker.mlops("validate", "schedules")
    name, moment = said(speaker.run("schedules/nightly.yml")).split()
    assert name == "nightly"
    assert abs(datetime.fromisoformat(moment) - datetime.now(timezone.utc)) < timedelta(minutes=10)


def test_a_schedules_changes_are_judged_like_the_job_itself(speaker: Any) -> None:
    speaker.write("schedules/nightly.yml", NIGHTLY + "  {type: pipeline, job: ../pipelines/p.yml, inputs: {times: often}}\n")
    done = speaker.mlops("validate", "schedules", expect=2)
    assert "schedules/nightly.yml:4:61" in done.stdout
    assert "often" in done.stdout


@pytest.mark.parametrize("create", ["create_job: azureml:job:1", "create_monitor: {}"])
def test_what_only_azure_runs_is_refused(speaker: Any, create: str) -> None:
    speaker.write("schedules/nightly.yml", NIGHTLY.replace("create_job:\n", f"{create}\n"))
    done = speaker.mlops("schedule", "run", "schedules/nightly.yml", "--now", expect=2)
    assert "only Azure ML runs" in done.stderr

def minutely(start: datetime, extra: str = "") -> str:
    """A schedule that fires every minute from *start* on."""
    return (
        f"name: often\ntrigger: {{type: recurrence, frequency: minute, interval: 1, start_time: '{start:%Y-%m-%dT%H:%M:%S}'{extra}}}\n"
        "create_job: ../pipelines/p.yml\n"
    )


def test_next_shows_the_times_in_both_zones(speaker: Any) -> None:
    zone = NIGHTLY.replace("}", ", time_zone: W. Europe Standard Time}")
    speaker.write("schedules/nightly.yml", zone + "  ../pipelines/p.yml\n")
    done = speaker.mlops("schedule", "next", "schedules/nightly.yml", "-n", "2", "--after", "2026-11-26T00:30")
    assert done.stdout.splitlines() == [
        "W. EUROPE STANDARD TIME        UTC                  IN",
        "Thu 2026-11-26 02:00:00 +0100  2026-11-26 01:00:00  30 min 00 s",
        "Fri 2026-11-27 02:00:00 +0100  2026-11-27 01:00:00  1 d 30 min 00 s",
    ]
    told = speaker.json("schedule", "next", "schedules/nightly.yml", "-n", "1", "--after", "2026-11-26T00:30:00+02:00")
    assert told["times"] == ["2026-11-26T02:00:00+01:00"]
    assert told["time_zone"] == "W. Europe Standard Time"


def test_a_schedule_that_is_over_says_so(speaker: Any) -> None:
    speaker.write("schedules/often.yml", minutely(datetime(2020, 1, 1), ", end_time: '2020-01-02'"))
    assert "does not fire any more" in speaker.mlops("schedule", "next", "schedules/often.yml").stderr
    assert "does not fire any more" in speaker.mlops("schedule", "run", "schedules/often.yml").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["next", "pipelines/p.yml"], "is no schedule"),
        (["next", "nope.yml"], "does not exist"),
        (["next", "schedules/often.yml", "--after", "soon"], "is no time"),
        (["run", "schedules/often.yml", "--now", "--times", "2"], "--now fires once"),
        (["run", "schedules/often.yml", "--set", "nope=1"], "no input 'nope'"),
        (["next", "schedules/bad.yml"], "is no cron expression"),
    ],
)
def test_wrong_input_is_told_before_anything_waits(speaker: Any, arguments: list[str], message: str) -> None:
    speaker.write("schedules/often.yml", minutely(datetime(2020, 1, 1)))
    speaker.write("schedules/bad.yml", NIGHTLY.replace("0 2 * * *", "0 25 * * *") + "  ../pipelines/p.yml\n")
    assert message in speaker.mlops("schedule", *arguments, expect=2).stderr


def test_now_fires_at_once_and_its_run_is_a_run_like_any_other(speaker: Any) -> None:
    speaker.write("schedules/nightly.yml", NIGHTLY + "  {type: pipeline, job: ../pipelines/p.yml, inputs: {times: 3}}\n")
    speaker.mlops("schedule", "run", "schedules/nightly.yml", "--now")
    [run] = speaker.json("runs", "list")
    assert run["status"] == "completed"
    done = speaker.mlops("runs", "resume")
    assert "1 to reuse" in done.stderr


def test_a_schedule_starts_its_job_when_its_time_comes_and_outlives_a_failed_run(speaker: Any) -> None:
    speaker.component(
        "say",
        "echo ${{inputs.text}} ${{inputs.times}} > ${{outputs.said}}; exit 3",
        inputs={"text": "string", "times": "integer"},
        outputs={"said": "uri_file"},
    )
    for seconds in (3, 10, 30, 90):
        soon = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=seconds)
        speaker.write("schedules/often.yml", minutely(soon, f", end_time: '{soon + timedelta(seconds=30):%Y-%m-%dT%H:%M:%S}'"))
        done = speaker.mlops("schedule", "run", "schedules/often.yml", expect=None, timeout=240)
        if "next: " in done.stderr:  # else it had not begun when its time was over
            break
    assert done.returncode == 1
    assert "exited with code 3" in done.stderr
    assert "does not fire any more" in done.stderr
    [run] = speaker.json("runs", "list")
    assert run["status"] == "failed"
    assert run["started"] >= soon.timestamp()


def test_ctrl_c_ends_the_waiting(speaker: Any) -> None:
    speaker.write("schedules/nightly.yml", NIGHTLY + "  ../pipelines/p.yml\n")
    with speaker.start("schedule", "run", "schedules/nightly.yml") as process:
        assert process.stderr.readline().startswith("next: ")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
