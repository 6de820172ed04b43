import pytest

from mlops_lib.document import parse
from mlops_lib.errors import Finding
from mlops_lib.spec import Report, read
from mlops_lib.spec.shapes import Flag, MapOf, Number, OneOf, Plain, Shape, Text

COMPONENT = """\
name: c
type: command
command: echo
environment: azureml:e@latest
"""
PIPELINE = """\
type: pipeline
jobs:
  a:
    component: ./c.yml
"""
DATA = "path: x\n"
ENVIRONMENT = "name: e\nimage: i\n"
COMMAND = "type: command\ncommand: x\nenvironment: azureml:e@latest\n"


def found(text: str, kind: str) -> list[Finding]:
    report = Report()
    read(parse(text, "f.yml"), report, folder="", kind=kind)
    return report.findings


def told(text: str, kind: str) -> list[tuple[str, str, int, int, str]]:
    return [
        (finding.code, finding.what, finding.place.line, finding.place.column, finding.fix) for finding in found(text, kind)
    ]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (
            "command component",
            COMPONENT + "comand: x\n",
            ("unknown-key", "a command component has no key 'comand'", 5, 1, "did you mean 'command'?"),
        ),
        (
            "pipeline job",
            PIPELINE + "    computee: x\n",
            ("unknown-key", "a command job has no key 'computee'", 5, 5, "did you mean 'compute'?"),
        ),
        (
            "pipeline job",
            PIPELINE + "settings: {force_rerunn: true}\n",
            ("unknown-key", "settings has no key 'force_rerunn'", 5, 12, "did you mean 'force_rerun'?"),
        ),
        (
            "command component",
            COMPONENT + "inputs: {x: {type: nubmer}}\n",
            ("unknown-type", "input 'x' has type 'nubmer'", 5, 20, "did you mean 'number'?"),
        ),
        (
            "command component",
            COMPONENT + "inputs: {x: {type: Number}}\n",
            ("unknown-type", "input 'x' has type 'Number'", 5, 20, "did you mean 'number'?"),
        ),
        (
            "command component",
            COMPONENT + "inputs: {x: {optional: true}}\n",
            (
                "missing-key",
                "input 'x' lacks 'type'",
                5,
                13,
                "add 'type: …', one of boolean, custom_model, integer, mlflow_model, mltable, number, path, string, triton_model, uri_file, uri_folder",
            ),
        ),
        (
            "command component",
            COMPONENT + "inputs: {x: string}\n",
            ("wrong-type", "inputs.x must be a mapping, not the string 'string'", 5, 13, ""),
        ),
        (
            "command component",
            COMPONENT + "inputs: {x: {type: integer, min: low}}\n",
            ("wrong-type", "inputs.x.min must be a number, not the string 'low'", 5, 34, ""),
        ),
        (
            "command component",
            COMPONENT + "inputs: {x: {type: string, enum: [a, 1]}}\n",
            ("wrong-type", "inputs.x.enum[1] must be a string, not the number 1", 5, 38, 'write "1", in quotes'),
        ),
        (
            "command component",
            COMPONENT + "inputs: {x: {type: string, default: }}\n",
            ("wrong-type", "inputs.x.default must be a value, not empty", 5, 37, ""),
        ),
        (
            "command component",
            COMPONENT + "inputs: {x: {type: string, optional: maybe}}\n",
            ("wrong-type", "inputs.x.optional must be true or false, not the string 'maybe'", 5, 38, ""),
        ),
        (
            "command component",
            COMPONENT + "inputs: {a-b: {type: string}}\n",
            ("bad-name", "'a-b' is no name for an entry of inputs", 5, 10, ""),
        ),
        (
            "command component",
            COMPONENT + "inputs:\n",
            ("wrong-type", "inputs must be a mapping, not empty", 5, 8, "give it entries, or remove the key"),
        ),
        (
            "command component",
            COMPONENT + "tags: {a: 1}\n",
            ("wrong-type", "tags.a must be a string, not the number 1", 5, 11, 'write "1", in quotes'),
        ),
        (
            "command component",
            COMPONENT + "description: 3\n",
            ("wrong-type", "description must be a string, not the number 3", 5, 14, 'write "3", in quotes'),
        ),
        (
            "command component",
            COMPONENT + "display_name:\n",
            ("wrong-type", "display_name must be a string, not empty", 5, 14, "give a value or remove the key"),
        ),
        (
            "command component",
            COMPONENT + "version: 2024-01-01\n",
            ("wrong-type", "version must be a string, not the date 2024-01-01", 5, 10, 'write "2024-01-01", in quotes'),
        ),
        (
            "command component",
            COMPONENT + "is_deterministic: no way\n",
            ("wrong-type", "is_deterministic must be true or false, not the string 'no way'", 5, 19, ""),
        ),
        ("command component", COMPONENT + "code: [a]\n", ("wrong-type", "code must be a string, not a list", 5, 7, "")),
        (
            "command component",
            COMPONENT + "additional_includes: x\n",
            ("wrong-type", "additional_includes must be a list, not the string 'x'", 5, 22, ""),
        ),
        (
            "command component",
            COMPONENT + "distribution: {type: pytroch}\n",
            ("unknown-type", "distribution has type 'pytroch'", 5, 22, "did you mean 'pytorch'?"),
        ),
        (
            "command component",
            COMPONENT.replace("azureml:e@latest", "./e.yml"),
            ("bad-name", "environment is './e.yml'", 4, 14, ""),
        ),
        ("command component", COMPONENT.replace("name: c", "name: My-c"), ("bad-name", "name is 'My-c'", 1, 7, "")),
        (
            "command component",
            COMPONENT.replace("type: command", "type: comand"),
            ("wrong-value", "type is 'comand'", 2, 7, "did you mean 'command'?"),
        ),
        (
            "command component",
            COMPONENT.replace("command: echo\n", ""),
            ("missing-key", "a command component lacks 'command'", 1, 1, "add 'command: …'"),
        ),
        (
            "pipeline job",
            PIPELINE.replace("type: pipeline", "type: Pipeline"),
            ("wrong-value", "type is 'Pipeline'", 1, 7, "did you mean 'pipeline'?"),
        ),
        ("pipeline job", PIPELINE.replace("  a:", "  A:"), ("bad-name", "'A' is no name for an entry of jobs", 3, 3, "")),
        (
            "pipeline job",
            PIPELINE + "    type: comand\n",
            ("unknown-type", "job 'a' has type 'comand'", 5, 11, "did you mean 'command'?"),
        ),
        ("pipeline job", PIPELINE + "    limits: {timeout: 0}\n", ("out-of-range", "jobs.a.limits.timeout is 0", 5, 23, "")),
        (
            "pipeline job",
            PIPELINE + "    limits: {timeout: 1.5}\n",
            ("wrong-type", "jobs.a.limits.timeout must be an integer, not the number 1.5", 5, 23, ""),
        ),
        (
            "pipeline job",
            PIPELINE + "    inputs: [x]\n",
            ("wrong-type", "jobs.a.inputs must be a mapping, not a list", 5, 13, ""),
        ),
        (
            "pipeline job",
            PIPELINE + "    inputs: {x: [1]}\n",
            ("wrong-type", "jobs.a.inputs.x must be a value or a mapping, not a list", 5, 17, ""),
        ),
        (
            "pipeline job",
            PIPELINE + "    inputs: {x: }\n",
            ("missing-value", "input 'x' of job 'a' has no value", 5, 17, "give one, or remove the key"),
        ),
        (
            "pipeline job",
            PIPELINE + "    inputs: {x: {type: uri_folder}}\n",
            ("missing-key", "input 'x' of job 'a' has no path", 5, 17, "add 'path: …' with a path or a binding"),
        ),
        (
            "pipeline job",
            PIPELINE + "    inputs: {x: {type: uri_foldr, path: x}}\n",
            ("unknown-type", "input 'x' has type 'uri_foldr'", 5, 24, "did you mean 'uri_folder'?"),
        ),
        (
            "pipeline job",
            PIPELINE + "    outputs: {o: {mode: mountt}}\n",
            ("wrong-value", "jobs.a.outputs.o.mode is 'mountt'", 5, 25, "did you mean 'mount'?"),
        ),
        (
            "pipeline job",
            PIPELINE + "    outputs: {o: {path: '${{paren.outputs.o}}'}}\n",
            (
                "bad-binding",
                "output 'o' of job 'a' is '${{paren.outputs.o}}'",
                5,
                25,
                "bind the whole value: ${{parent.inputs.NAME}} or ${{parent.jobs.JOB.outputs.NAME}}",
            ),
        ),
        (
            "pipeline job",
            PIPELINE + "settings: {default_compute: cpu}\n",
            ("bad-name", "settings.default_compute is 'cpu'", 5, 29, ""),
        ),
        (
            "pipeline job",
            PIPELINE + "settings: {continue_on_step_failure: maybe}\n",
            ("wrong-type", "settings.continue_on_step_failure must be true or false, not the string 'maybe'", 5, 38, ""),
        ),
        (
            "pipeline job",
            PIPELINE + "component: ./p.yml\n",
            ("jobs-and-component", "a pipeline job has either jobs or a component", 5, 1, "remove one of them"),
        ),
        ("pipeline job", "type: pipeline\n", ("missing-key", "a pipeline job has no jobs", 1, 1, "add 'jobs: …'")),
        ("pipeline job", "type: pipeline\njobs: {}\n", ("missing-key", "a pipeline job has no jobs", 2, 7, "add 'jobs: …'")),
        (
            "pipeline job",
            "type: pipeline\njobs:\n",
            ("wrong-type", "jobs must be a mapping, not empty", 2, 6, "give it entries, or remove the key"),
        ),
        (
            "pipeline job",
            "type: pipeline\njobs: {a: {type: pipeline, component: {jobs: {}}}}\n",
            ("wrong-type", "jobs.a.component must be a string, not a mapping", 2, 39, ""),
        ),
        (
            "command job",
            COMMAND.replace("type: command", "type: Command"),
            ("wrong-value", "type is 'Command'", 1, 7, "did you mean 'command'?"),
        ),
        (
            "environment",
            ENVIRONMENT + "os_type: mac\n",
            ("wrong-value", "os_type is 'mac'", 3, 10, "use one of linux, windows"),
        ),
        (
            "environment",
            ENVIRONMENT + "build: {pth: x}\n",
            ("unknown-key", "build has no key 'pth'", 3, 9, "did you mean 'path'?"),
        ),
        (
            "environment",
            ENVIRONMENT
            + "inference_config: {liveness_route: {port: 1}, readiness_route: {port: 1, path: /}, scoring_route: {port: 1, path: /}}\n",
            ("missing-key", "liveness_route lacks 'path'", 3, 36, "add 'path: …'"),
        ),
        ("data", DATA + "type: URI_FILE\n", ("wrong-value", "type is 'URI_FILE'", 2, 7, "did you mean 'uri_file'?")),
        ("data", DATA + "name: a b\n", ("bad-name", "name is 'a b'", 2, 7, "")),
        ("data", "name: d\n", ("missing-key", "a data asset lacks 'path'", 1, 1, "add 'path: …'")),
        ("model", DATA, ("missing-key", "a model lacks 'name'", 1, 1, "add 'name: …'")),
    ],
)
def test_each_mistake_is_told_once_at_its_place(kind: str, text: str, expected: tuple[str, str, int, int, str]) -> None:
    [(code, what, line, column, fix)] = told(text, kind)
    assert (code, what, line, column, fix) == expected


def test_several_mistakes_are_all_told() -> None:
    text = COMPONENT + "comand: x\ninputs: {x: {type: nubmer}, y: {type: string, default: []}}\ntags: [a]\n"
    assert [finding.code for finding in found(text, "command component")] == [
        "unknown-key",
        "unknown-type",
        "wrong-type",
        "wrong-type",
    ]


def test_a_component_that_is_named_by_its_file_needs_no_name() -> None:
    assert found(COMPONENT.replace("name: c\n", ""), "command component") == []
    assert found("jobs: {a: {command: x}}\n", "pipeline component") == []


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        (Text(), ["a", "''", "'1'", "a: b"[:1]], ["1", "true", "", "[]", "{}", "2024-01-01"]),
        (Text(empty=True), ["", "a"], ["1"]),
        (Text(numbers=True), ["1", "1.5", "a"], ["true", ""]),
        (Text(pattern="[a-z]+"), ["abc", "'${{parent.inputs.x}}'"], ["ABC", "a1"]),
        (Number(), ["1", "1.5", "'2'", "1e3", "-1", "'${{x}}'"], ["a", "true", "", "[]", ".nan", ".inf", "'1_0'"]),
        (Number(whole=True), ["1", "1.0", "'2'"], ["1.5", "a"]),
        (Number(minimum=1), ["1", "2"], ["0", "-1"]),
        (Flag(), ["true", "no", "'true'", "1", "'${{parent.inputs.x}}'"], ["2", "maybe", "", "[]"]),
        (OneOf(("a", "b")), ["a", "b"], ["c", "A", "1", ""]),
        (OneOf(("a", "b"), folded=True), ["A", "b"], ["c"]),
        (Plain(), ["a", "1", "true", "''", "2024-01-01"], ["", "[]", "{}"]),
        (MapOf(Text()), ["{}", "{a: b}"], ["", "[]", "a", "{a: 1}"]),
        (MapOf(Text(), empty=True), ["", "{}"], ["[]"]),
        (MapOf(Text(), key_pattern="[a-z]+"), ["{a: b}"], ["{A: b}"]),
    ],
)
def test_a_shape_takes_what_fits_and_reports_the_rest(shape: Shape, good: list[str], bad: list[str]) -> None:
    for text in good:
        report = Report()
        shape.check(parse(text, "f.yml"), report, "x")
        assert not report.findings, text
    for text in bad:
        report = Report()
        shape.check(parse(text, "f.yml"), report, "x")
        assert len(report.findings) == 1, text
        assert report.findings[0].what.startswith(("x", "'"))


def test_a_huge_number_is_a_number_that_does_not_fit() -> None:
    report = Report()
    Number().check(parse("9" * 90, "f.yml"), report, "x")
    assert not report.findings
    Number().check(parse("'" + "9" * 400 + "'", "f.yml"), report, "x")
    assert [finding.code for finding in report.findings] == ["wrong-type"]
