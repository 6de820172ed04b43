import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.checks import check_component, check_pipeline, cycle
from mlops_lib.document import parse
from mlops_lib.errors import Finding
from mlops_lib.spec import CommandComponent, PipelineComponent, PipelineJob, Report, read

COMPONENTS = """\
  one: &one
    component: &c
      command: run ${{inputs.data}} ${{inputs.rate}} $[[${{inputs.note}}]] ${{outputs.out}} ${{outputs.model}}
      environment: azureml:e@latest
      inputs:
        data: {type: uri_folder}
        rate: {type: number, default: 0.5, min: 0, max: 1}
        note: {type: string, optional: true}
      outputs:
        out: {type: uri_folder}
        model: {type: mlflow_model}
"""


def pipeline(rest: str, jobs: str = "") -> list[Finding]:
    """The findings of a pipeline whose jobs may use the component ``*c``."""
    text = f"x-is-not-a-key:\n{COMPONENTS}type: pipeline\n{rest}jobs:\n{jobs}"
    spec = read(parse(text, "p.yml"), Report(), folder="", kind="pipeline job")
    assert isinstance(spec, PipelineJob)
    report = Report()
    check_pipeline(spec, report)
    return report.findings


LINES = COMPONENTS.count("\n") + 2  # before the first line of *rest*


def told(findings: list[Finding]) -> list[tuple[str, int, int]]:
    """Code, line within what the test wrote, column."""
    return [(finding.code, finding.place.line - LINES, finding.place.column) for finding in findings]


DATA = "  a: {component: *c, inputs: {data: {path: x}}}\n"


def test_a_pipeline_that_is_right_has_no_finding() -> None:
    assert (
        pipeline(
            "inputs: {raw: {type: uri_folder, path: x}, rate: 0.1}\noutputs: {o: {type: uri_folder}, m: }\n",
            "  a: {component: *c, inputs: {data: '${{parent.inputs.raw}}', rate: '${{parent.inputs.rate}}', note: hello}}\n"
            "  b: {component: *c, inputs: {data: '${{parent.jobs.a.outputs.out}}', rate: '${{parent.jobs.a.inputs.rate}}'},"
            " outputs: {out: '${{parent.outputs.o}}', model: '${{parent.outputs.m}}'}}\n",
        )
        == []
    )


@pytest.mark.parametrize(
    ("rest", "jobs", "expected", "words"),
    [
        (
            "",
            "  a:\n    component: *c\n    inputs: {data: {path: x}, dta: 1}\n",
            ("unknown-input", 4, 31),
            "did you mean 'data'?",
        ),
        ("", "  a:\n    component: *c\n", ("missing-input", 2, 3), "does not give the input 'data'"),
        (
            "",
            "  a:\n    component: *c\n    inputs: {data: '${{parent.inputs.rw}}'}\n",
            ("unknown-input", 4, 20),
            "has no input 'rw'",
        ),
        (
            "",
            "  a:\n    component: *c\n    inputs: {data: '${{parent.jobs.b.outputs.out}}'}\n",
            ("unknown-job", 4, 20),
            "no job 'b'",
        ),
        (
            "",
            DATA + "  b:\n    component: *c\n    inputs: {data: '${{parent.jobs.a.outputs.ot}}'}\n",
            ("unknown-output", 5, 20),
            "did you mean 'out'?",
        ),
        (
            "",
            DATA + "  b:\n    component: *c\n    inputs: {data: '${{parent.jobs.a.inputs.dat}}'}\n",
            ("unknown-input", 5, 20),
            "did you mean 'data'?",
        ),
        (
            "outputs: {o: }\n",
            "  a: {component: *c, inputs: {data: '${{parent.outputs.o}}'}, outputs: {out: '${{parent.outputs.o}}'}}\n",
            ("bad-binding", 3, 37),
            "bound to an output of the pipeline",
        ),
        (
            "",
            DATA + "  b:\n    component: *c\n    inputs:\n      data: {path: x}\n      rate: ${{parent.jobs.a.outputs.out}}\n",
            ("type-clash", 7, 13),
            "is a number, and ${{parent.jobs.a.outputs.out}} is a uri_folder",
        ),
        (
            "",
            "  a:\n    component: *c\n    inputs: {data: {type: uri_file, path: x}}\n",
            ("wrong-form", 4, 43),
            "the job gets the path of a file",
        ),
        (
            "",
            "  a:\n    component: *c\n    inputs: {data: 3}\n",
            ("literal-into-data", 4, 20),
            "is '3', and the port is a uri_folder",
        ),
        (
            "",
            "  a:\n    component: *c\n    inputs: {data: x, rate: {type: uri_folder, path: x}}\n",
            ("data-into-literal", 4, 54),
            "is data",
        ),
        ("", "  a:\n    component: *c\n    inputs: {data: x, rate: fast}\n", ("bad-value", 4, 29), "which is not a number"),
        ("", "  a:\n    component: *c\n    inputs: {data: x, rate: 2}\n", ("bad-value", 4, 29), "above the maximum 1"),
        ("", "  a:\n    component: *c\n    inputs: {data: x, rate: true}\n", ("bad-value", 4, 29), "is 'True'"),
        (
            "",
            "  a:\n    component: *c\n    inputs: {data: x}\n    outputs: {ot: }\n",
            ("unknown-output", 5, 15),
            "did you mean 'out'?",
        ),
        (
            "",
            "  a:\n    component: *c\n    inputs: {data: x}\n    outputs: {out: '${{parent.outputs.o}}'}\n",
            ("unknown-output", 5, 20),
            "no output 'o'",
        ),
        (
            "",
            "  a:\n    component: *c\n    inputs: {data: x}\n    outputs: {out: '${{parent.inputs.o}}'}\n",
            ("bad-binding", 5, 20),
            "parent.outputs.NAME",
        ),
        (
            "outputs: {o: }\n",
            "  a: {component: *c, inputs: {data: x}, outputs: {out: '${{parent.outputs.o}}', model: '${{parent.outputs.o}}'}}\n",
            ("output-bound-twice", 3, 88),
            "as is output 'out' of job 'a'",
        ),
        (
            "outputs: {o: {type: uri_file}}\n",
            "  a: {component: *c, inputs: {data: x}, outputs: {out: '${{parent.outputs.o}}'}}\n",
            ("type-clash", 3, 56),
            "is a uri_file",
        ),
        ("outputs: {o: }\n", DATA, ("unbound-output", 1, 14), "no job is bound"),
        ("outputs: {o: '${{parent.jobs.b.outputs.out}}'}\n", DATA, ("unknown-job", 1, 14), "no job 'b'"),
        ("outputs: {o: '${{parent.jobs.a.outputs.ut}}'}\n", DATA, ("unknown-output", 1, 14), "no output 'ut'"),
        ("outputs: {o: '${{parent.jobs.a.inputs.data}}'}\n", DATA, ("bad-binding", 1, 14), "what a job makes"),
        ("inputs: {r: x}\noutputs: {o: '${{parent.inputs.r}}'}\n", DATA, ("bad-binding", 2, 14), "what a job makes"),
    ],
)
def test_each_mistake_is_told_once_at_its_exact_place(rest: str, jobs: str, expected: tuple[str, int, int], words: str) -> None:
    findings = pipeline(rest, jobs)
    assert told(findings) == [expected], "\n".join(map(str, findings))
    assert words in str(findings[0])


@pytest.mark.parametrize("consumers", [1, 2, 5])
def test_a_wrong_value_of_the_pipeline_is_told_once_however_many_use_it(consumers: int) -> None:
    jobs = "".join(
        f"  j{n}: {{component: *c, inputs: {{data: x, rate: '${{{{parent.inputs.rate}}}}'}}}}\n" for n in range(consumers)
    )
    findings = pipeline("inputs: {rate: 7}\n", jobs)
    assert told(findings) == [("bad-value", 1, 16)]
    assert "input 'rate' (used as input 'rate' of job 'j0')" in findings[0].what


def test_a_job_that_does_not_exist_is_told_at_each_binding_that_names_it() -> None:
    assert told(
        pipeline(
            "",
            "  a: {component: *c, inputs: {data: '${{parent.jobs.z.outputs.out}}'}}\n"
            "  b: {component: *c, inputs: {data: '${{parent.jobs.z.outputs.out}}'}}\n",
        )
    ) == [("unknown-job", 2, 37), ("unknown-job", 3, 37)]


def test_what_a_job_says_of_its_run_names_inputs_that_the_pipeline_has() -> None:
    found = pipeline(
        "inputs: {seconds: 5}\n",
        "  a: {component: *c, inputs: {data: {path: x}}, limits: {timeout: '${{parent.inputs.secnds}}'},\n"
        "    compute: 'azureml:${{parent.inputs.on}}', resources: {instance_count: '${{parent.inputs.seconds}}'}}\n",
    )
    assert told(found) == [("unknown-input", 4, 14), ("unknown-input", 3, 67)]
    assert "a value in compute of job 'a' is bound to ${{parent.inputs.on}}, and the pipeline has no input 'on'" in str(found[0])
    assert "did you mean 'seconds'?" in str(found[1])


def test_an_output_that_a_job_invents_is_told_where_it_is_invented_only() -> None:
    assert told(
        pipeline(
            "",
            "  a: {component: *c, inputs: {data: x}, outputs: {extra: }}\n"
            "  b: {component: *c, inputs: {data: '${{parent.jobs.a.outputs.extra}}'}}\n",
        )
    ) == [("unknown-output", 2, 51)]


@pytest.mark.parametrize(
    ("rest", "jobs"),
    [
        ("inputs: [raw]\n", "  a: {component: *c, inputs: {data: '${{parent.inputs.raw}}'}}\n"),
        ("inptus: {raw: x}\n", "  a: {component: *c, inputs: {data: '${{parent.inputs.raw}}'}}\n"),
        ("output: {o: }\n", "  a: {component: *c, inputs: {data: x}, outputs: {out: '${{parent.outputs.o}}'}}\n"),
        ("", "  a: {component: *c, Inputs: {data: x}}\n"),
        (
            "",
            "  a: {component: {command: x, environment: azureml:e@latest, inptus: {data: {type: uri_folder}}}, inputs: {data: x}}\n",
        ),
    ],
)
def test_what_a_misspelt_or_misshapen_section_was_to_hold_is_not_missed_at_each_use(rest: str, jobs: str) -> None:
    assert pipeline(rest, jobs) == []  # the section itself is told by the shape of the file


def test_a_sweep_must_give_what_its_trial_requires_by_value_or_by_search() -> None:
    sweep = "  s: {type: sweep, trial: *c, inputs: %s, search_space: %s}\n"
    assert told(pipeline("", sweep % ("{}", "{rate: {type: uniform}}"))) == [("missing-input", 2, 3)]
    assert pipeline("", sweep % ("{data: x}", "{}")) == []
    assert pipeline("", sweep % ("{}", "{data: {type: choice}}")) == []
    assert pipeline("", sweep % ("{}", "{any: {type: choice, values: [{data: {type: choice}}]}}")) == []


# --- cycles ----------------------------------------------------------------------------------------------------------


def job(name: str, *waits: str) -> str:
    inputs = ", ".join(f"i{n}: '${{{{parent.jobs.{to}.outputs.o}}}}'" for n, to in enumerate(waits))
    references = " ".join(f"${{{{inputs.i{n}}}}}" for n in range(len(waits)))
    return f"  {name}: {{command: 'run {references} ${{{{outputs.o}}}}', environment: 'azureml:e:1', inputs: {{{inputs}}}, outputs: {{o: }}}}\n"


@pytest.mark.parametrize(
    ("jobs", "walk"),
    [
        ([job("a", "a")], "job 'a' waits for itself"),
        ([job("a", "b"), job("b", "a")], "the jobs wait for each other: a -> b -> a"),
        (
            [job("train", "prep", "score"), job("prep"), job("score", "evaluate"), job("evaluate", "train")],
            "the jobs wait for each other: train -> score -> evaluate -> train",
        ),
        ([job("start", "a"), job("a", "b"), job("b", "c"), job("c", "b")], "the jobs wait for each other: b -> c -> b"),
    ],
)
def test_a_cycle_is_told_as_a_walk(jobs: list[str], walk: str) -> None:
    [finding] = pipeline("", "".join(jobs))
    assert (finding.code, finding.what) == ("cycle", walk)
    first = "".join(jobs).splitlines()[finding.place.line - LINES - 2]
    assert first[finding.place.column - 1 :].startswith("'${{parent.jobs.")


def test_jobs_that_take_each_others_inputs_wait_for_each_other_too() -> None:
    findings = pipeline(
        "",
        "  a: {component: *c, inputs: {data: x, rate: '${{parent.jobs.b.inputs.rate}}'}}\n"
        "  b: {component: *c, inputs: {data: x, rate: '${{parent.jobs.a.inputs.rate}}'}}\n",
    )
    assert [finding.code for finding in findings] == ["cycle"]


GRAPHS = st.dictionaries(st.integers(0, 9), st.lists(st.integers(0, 12), max_size=4), max_size=10)


@given(GRAPHS)
def test_a_walk_is_found_exactly_when_some_node_reaches_itself(waits: Mapping[int, list[int]]) -> None:
    graph = {str(name): [str(to) for to in after] for name, after in waits.items()}
    reached = {name: {to for to in after if to in graph} for name, after in graph.items()}
    for _ in graph:
        reached = {name: after | {far for to in after for far in reached[to]} for name, after in reached.items()}
    walk = cycle(graph)
    assert bool(walk) == any(name in after for name, after in reached.items())
    if walk:
        assert walk[0] == walk[-1]
        assert all(after in graph[before] for before, after in itertools.pairwise(walk))
        assert len(set(walk[1:])) == len(walk) - 1


def test_a_very_long_chain_is_walked_without_recursion() -> None:
    waits = {str(number): [str(number + 1)] for number in range(50_000)}
    assert cycle(waits) == []
    assert len(cycle(waits | {"50000": ["0"]})) == 50_002


# --- types -----------------------------------------------------------------------------------------------------------

FLOWS = {  # source -> what it may flow into
    "uri_folder": {"uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"},
    "uri_file": {"uri_file", "custom_model"},
    "mltable": {"uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"},
    "mlflow_model": {"uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"},
    "custom_model": {"uri_folder", "uri_file", "mltable", "mlflow_model", "custom_model", "triton_model"},
    "integer": {"integer", "number", "string"},
    "number": {"number", "string"},
    "boolean": {"boolean", "string"},
    "string": {"string"},
}
ALL_TYPES = sorted({*FLOWS, "triton_model"})


@pytest.mark.parametrize("source", FLOWS)
@pytest.mark.parametrize("target", ALL_TYPES)
def test_what_may_flow_into_what(source: str, target: str) -> None:
    text = f"""
type: pipeline
jobs:
  a:
    component:
      command: x ${{{{outputs.o}}}}
      environment: azureml:e:1
      outputs: {{o: {{type: {source}}}}}
  b:
    component:
      command: x ${{{{inputs.i}}}}
      environment: azureml:e:1
      inputs: {{i: {{type: {target}}}}}
    inputs: {{i: "${{{{parent.jobs.a.outputs.o}}}}"}}
"""
    report = Report()
    spec = read(parse(text, "p.yml"), report, folder="", kind="pipeline job")
    assert isinstance(spec, PipelineJob)
    check_pipeline(spec, report)
    assert [finding.code for finding in report.findings] == ([] if target in FLOWS[source] else ["type-clash"])


# --- inside a component ----------------------------------------------------------------------------------------------


def component(command: str, inputs: str = "", outputs: str = "") -> list[Finding]:
    text = f"name: c\ncommand: {command}\nenvironment: azureml:e:1\n"
    text += (f"inputs:\n{inputs}" if inputs else "") + (f"outputs:\n{outputs}" if outputs else "")
    report = Report()
    spec = read(parse(text, "c.yml"), report, folder="", kind="command component")
    assert isinstance(spec, CommandComponent)
    assert not report.findings, report.findings
    check_component(spec, report)
    return report.findings


@pytest.mark.parametrize(
    ("command", "inputs", "outputs", "expected", "words"),
    [
        ("run ${{inputs.rat}}", "  rate: {type: number}\n", "", ("unknown-port", 2, 14), "did you mean 'rate'?"),
        ("run ${{outputs.o}}", "", "", ("unknown-port", 2, 14), "no such output"),
        ("run ${{input.x}}", "", "", ("bad-binding", 2, 14), "did you mean 'inputs.x'?"),
        ("run ${{inputs.x", "", "", ("bad-binding", 2, 14), "not closed"),
        ("run ${{parent.inputs.x}}", "", "", ("bad-binding", 2, 14), "binding of a pipeline"),
        ("run $[[--r ${{inputs.r}}]]", "  r: {type: number}\n", "", ("not-optional", 2, 21), "write 'optional: true' for 'r'"),
        (
            "run ${{inputs.r}}",
            "  r: {type: number, optional: true}\n",
            "",
            ("optional-input", 2, 14),
            "write $[[… ${{inputs.r}}]]",
        ),
        ("run ${{inputs.o}}", "", "  o: {type: uri_folder}\n", ("unknown-port", 2, 14), "did you mean 'outputs.o'?"),
        ("run ${outputs.o}", "", "  o: {type: uri_folder}\n", ("bad-binding", 2, 14), "did you mean '${{outputs.o}}'?"),
        ("run $[[--r ${{inputs.r}}", "  r: {type: number, optional: true}\n", "", ("bad-binding", 2, 14), "not closed by ']]'"),
        ("run $[[inputs.r]]", "  r: {type: number, optional: true}\n", "", ("bad-binding", 2, 14), "'$[[${{inputs.r}}]]'"),
        ("''", "  r: {type: number}\n", "  o: {type: uri_folder}\n", ("missing-value", 2, 10), "is empty"),
        (">-\n  run\n  --r ${{inputs.x}}", "  y: {type: string, default: a}\n", "", ("unknown-port", 4, 7), "use one of y"),
        ("run", "", "  o: {type: uri_folder}\n", ("unused-output", 5, 3), "pass ${{outputs.o}} to the command"),
        ("run", "  r: {type: number}\n", "", ("unused-input", 5, 3), "pass ${{inputs.r}} to the command"),
        ("run ${{outputs.ot}}", "", "  out: {type: uri_folder}\n", ("unknown-port", 2, 14), "did you mean 'out'?"),
        ("run ${{inputs.path}}", "  path: {type: string}\n", "", ("reserved-name", 5, 3), "rename it"),
        ("run ${{inputs.r}}", "  r: {type: integer, default: 1.5}\n", "", ("bad-value", 5, 31), "is not written as an integer"),
        ("run ${{inputs.r}}", "  r: {type: number, default: 9, max: 3}\n", "", ("bad-value", 5, 30), "above the maximum 3"),
        ("run ${{inputs.r}}", "  r: {type: string, default: c, enum: [a, b]}\n", "", ("bad-value", 5, 30), "is none of a, b"),
        ("run ${{inputs.r}}", "  r: {type: boolean, default: 1}\n", "", ("bad-value", 5, 31), "is not a boolean"),
        ("run ${{inputs.r}}", "  r: {type: string, default: 2026-01-01}\n", "", ("date-literal", 5, 30), "in quotes"),
        ("run ${{inputs.r}}", "  r: {type: number, default: 1, min: 3, max: 0}\n", "", ("bad-limits", 5, 3), "min of input 'r' is 3"),
        ("run ${{inputs.r}}", "  r: {type: uri_folder, default: ./x}\n", "", ("bad-value", 5, 3), "has a default"),
        (
            "run ${{inputs.r}} ${{inputs.R}}",
            "  r: {type: string}\n  R: {type: string}\n",
            "",
            ("bad-name", 6, 3),
            "in case only",
        ),
    ],
)
def test_each_mistake_of_a_component_is_told_once_at_its_place(
    command: str, inputs: str, outputs: str, expected: tuple[str, int, int], words: str
) -> None:
    findings = component(command, inputs, outputs)
    assert [(finding.code, finding.place.line, finding.place.column) for finding in findings] == [expected]
    assert words in str(findings[0])


@pytest.mark.parametrize(
    ("command", "inputs", "outputs"),
    [
        ("run ${{inputs.r}}", "  r: {type: number, optional: true, default: 1}\n", ""),
        ("run $[[--r ${{inputs.r}}]]", "  r: {type: number, optional: true}\n", ""),
        ("run ${{search_space.lr}} ${{name}}", "", ""),
        ("run > ${{outputs.o}}/log.txt", "", "  o: {type: uri_folder}\n"),
        ("run", "  unused: {type: string, default: x}\n", "  count: {type: integer}\n"),
        ("run", "  unused: {type: string, optional: true}\n", ""),
        ("run ${{inputs.r}}", "  r: {type: boolean, default: yes}\n", ""),
    ],
)
def test_what_is_right_is_left_alone(command: str, inputs: str, outputs: str) -> None:
    assert component(command, inputs, outputs) == []


def test_an_optional_input_of_a_pipeline_must_not_feed_a_required_one() -> None:
    text = """
name: p
inputs:
  note: {type: string, optional: true}
  text: {type: string, optional: true}
jobs:
  a:
    component:
      command: run $[[${{inputs.note}}]] ${{inputs.text}}
      environment: azureml:e:1
      inputs:
        note: {type: string, optional: true}
        text: {type: string}
    inputs:
      note: ${{parent.inputs.note}}
      text: ${{parent.inputs.text}}
"""
    report = Report()
    spec = read(parse(text, "p.yml"), report, folder="", kind="pipeline component")
    assert isinstance(spec, PipelineComponent)
    check_component(spec, report)
    [finding] = report.findings
    assert (finding.code, finding.place.line, finding.place.column) == ("optional-input", 16, 13)
