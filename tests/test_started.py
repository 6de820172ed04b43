from typing import Any

import pytest


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("../pipelines/p.yml", []),
        ("azureml:some-job", []),
        ("../pipelines/q.yml", [("missing-file", 3)]),
        ("../components/copy/component.yml", [("wrong-component", 3)]),
        ("{type: pipeline, job: ../pipelines/p.yml, inputs: {nope: 1}}", [("unknown-input", 3)]),
        ("{type: pipeline, jobs: {a: {component: ../nowhere.yml}}}", [("missing-file", 3)]),
    ],
)
def test_what_a_schedule_starts_must_be_a_job_that_is_there(small: Any, job: str, expected: list[tuple[str, int]]) -> None:
    text = f"name: s\ntrigger: {{type: cron, expression: 0 1 * * *}}\ncreate_job: {job}\n"
    catalogue = small.project.catalogue()
    catalogue.check_file(small.write("schedules/s.yml", text))
    assert [(finding.code, finding.place.line) for finding in catalogue.findings()] == expected
