from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.binding import PipelinePort
from mlops_lib.document import Table, parse
from mlops_lib.spec import Bound, Data, Input, JobOutput, Literal, Output, Report, as_number, typed, value_problem
from mlops_lib.spec.ports import read_input_value


def table(text: str) -> Table:
    value = parse(text, "f.yml")
    assert isinstance(value, Table)
    return value


@pytest.mark.parametrize(
    ("port", "default"),
    [
        ("{type: number, default: 2}", "2.0"),
        ("{type: number, default: 1e-3}", "0.001"),
        ("{type: number, default: '2'}", "2.0"),
        ("{type: number, default: 0.1}", "0.1"),
        ("{type: integer, default: 2}", "2"),
        ("{type: integer, default: '2'}", "2"),
        ("{type: integer, default: 2.0}", "2"),
        ("{type: integer, default: 1.5}", "1.5"),
        ("{type: boolean, default: yes}", "True"),
        ("{type: boolean, default: 'true'}", "true"),
        ("{type: string, default: yes}", "True"),
        ("{type: string, default: 'yes'}", "yes"),
        ("{type: string, default: 2013}", "2013.0"),
        ("{type: string, default: '2013'}", "2013"),
        ("{type: string, default: 1e-3}", "1e-3"),
        ("{type: string, default: 2024-01-01}", "2024-01-01"),
        ("{type: number, default: word}", "word"),
        ("{type: string, default: ''}", ""),
    ],
)
def test_a_default_is_coerced_as_the_sdk_coerces_it(port: str, default: str) -> None:
    assert Input.from_document(table(port)).default == default


def test_an_input_without_default_or_option_is_required() -> None:
    assert Input(type="string").required
    assert not Input(type="string", optional=True).required
    assert not Input(type="string", default="x").required


def test_bounds_are_numbers_and_choices_are_texts() -> None:
    port = Input.from_document(table("{type: integer, min: 1, max: '10', enum: ['1', '2']}"))
    assert (port.min, port.max, port.enum) == (1, 10, ("1", "2"))
    assert port.to_dict() == {"type": "integer", "min": 1, "max": 10, "enum": ["1", "2"]}


def test_a_port_that_is_no_mapping_is_of_unknown_type() -> None:
    assert Input.from_document(parse("word", "f")).type == "unknown"
    assert Output.from_document(parse("word", "f")).type == "unknown"


@pytest.mark.parametrize(
    ("port", "text", "value", "problem"),
    [
        (Input(type="integer"), "3", 3, None),
        (Input(type="integer"), "3", "3", None),
        (Input(type="integer"), "3.0", 3.0, "is not written as an integer"),
        (Input(type="integer"), "1.5", 1.5, "is not written as an integer"),
        (Input(type="integer"), "a", "a", "is not an integer"),
        (Input(type="integer"), "True", True, "is not an integer"),
        (Input(type="number"), "1e-3", "1e-3", None),
        (Input(type="number"), "nan", float("nan"), "is not a number"),
        (Input(type="number"), "a", "a", "is not a number"),
        (Input(type="number"), "1_0", "1_0", "is not a number"),
        (Input(type="number", min=0), "-1", -1, "is below the minimum 0"),
        (Input(type="number", max=1), "1.5", 1.5, "is above the maximum 1"),
        (Input(type="number", min=0, max=1), "1", 1, None),
        (Input(type="boolean"), "True", True, None),
        (Input(type="boolean"), "false", "false", None),
        (Input(type="boolean"), "1", 1, "is not a boolean"),
        (Input(type="boolean"), "yes", "yes", "is not a boolean"),
        (Input(type="string"), "3", 3, None),
        (Input(type="string"), "True", True, None),
        (Input(type="string", enum=("a", "b")), "c", "c", "is none of a, b"),
        (Input(type="string", enum=("a", "b")), "b", "b", None),
        (Input(type="number", enum=("1.0", "2.5")), "1", 1, None),
        (Input(type="number", enum=("1.0", "2.5")), "2", 2, "is none of 1.0, 2.5"),
        (Input(type="uri_folder"), "anything", "anything", None),
        (Input(type="any"), "anything", "anything", None),
    ],
)
def test_a_value_fits_or_says_why_not(port: Input, text: str, value: object, problem: str | None) -> None:
    found = value_problem(port, text, value)
    assert (found[0] if found else None) == problem


@given(st.one_of(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
def test_a_literal_of_its_own_type_keeps_its_text_through_yaml(value: Any) -> None:
    type_ = "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "number"
    assert str(typed(type_, str(value))) == str(value)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("integer", "2.0", 2),
        ("integer", "x", "x"),
        ("integer", "1.5", "1.5"),
        ("number", "2", 2.0),
        ("number", "x", "x"),
        ("boolean", "True", True),
        ("boolean", "false", "false"),
        ("string", "True", "True"),
        ("string", "2", "2"),
        ("uri_file", "2", "2"),
    ],
)
def test_what_is_not_of_the_type_stays_text(type_: str, text: str, value: object) -> None:
    found = typed(type_, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1", 1),
        ("1e3", 1000),
        (" 1 ", 1),
        ("1_0", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("", None),
        ("a", None),
        (True, None),
        (None, None),
        (10**400, None),
        (2.5, 2.5),
    ],
)
def test_only_finite_numbers_are_numbers(value: object, number: float | None) -> None:
    assert as_number(value) == number


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        ("pre-${{parent.inputs.x}}", "bad-binding", "whole value"),
        ("${{inputs.x}}", "bad-binding", "parent.inputs.x"),
        ("${{parent.inputs.x", "bad-binding", "not closed"),
        ("${parent.inputs.x}", "bad-binding", "stands between '${{' and '}}'"),
        ("{path: '{{parent.inputs.x}}', type: uri_file}", "bad-binding", "stands between"),
        ("{path: 'a/${{parent.inputs.x}}'}", "bad-binding", "whole value"),
        ("", "missing-value", ""),
        ("{value: }", "missing-value", ""),
        ("{type: uri_file}", "missing-key", ""),
        ("{path: [a]}", "missing-key", ""),
    ],
)
def test_a_value_that_makes_no_sense_is_reported(text: str, code: str, why: str) -> None:
    report = Report()
    assert read_input_value(parse(text, "f.yml"), report, "input 'x'") is None
    [finding] = report.findings
    assert finding.code == code
    assert why in finding.why


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Literal(text="3", value=3), 3),
        (Data(path="x"), {"path": "x"}),
        (Data(path="x", type="uri_file", mode="download"), {"type": "uri_file", "path": "x", "mode": "download"}),
        (Bound(to=PipelinePort("inputs", "x")), "${{parent.inputs.x}}"),
        (Bound(to=PipelinePort("inputs", "x"), mode="direct"), {"path": "${{parent.inputs.x}}", "mode": "direct"}),
    ],
)
def test_values_are_written_in_their_shortest_spelling(value: Any, written: object) -> None:
    assert value.to_dict() == written


@pytest.mark.parametrize(
    "path",
    ["azureml://datastores/a/paths/b", "azureml://datastores/${{default_datastore}}/paths/${{ name }}/x", "${{output_name}}"],
)
def test_an_outputs_path_may_hold_what_azure_fills_in_later(path: str) -> None:
    report = Report()
    output = JobOutput.from_document(parse(f"{{type: uri_folder, path: '{path}'}}", "f"), report, "output")
    assert (output.path, output.bound, report.findings) == (path, None, [])


@pytest.mark.parametrize(
    "text", ["word", "'${{outputs.x}}'", "'${{parent.output.x}}'", "{path: '${{nam}}'}", "{path: 'a/${{parent.outputs.x}}'}"]
)
def test_an_output_bound_to_nothing_is_reported(text: str) -> None:
    report = Report()
    assert JobOutput.from_document(parse(text, "f.yml"), report, "output 'o'").bound is None
    assert [finding.code for finding in report.findings] == ["bad-binding"]
