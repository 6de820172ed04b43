import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.binding import (
    BindingError,
    JobPort,
    OwnPort,
    PipelinePort,
    command_references,
    has_expression,
    idle_options,
    meant,
    parse,
    parse_expression,
    render,
    substitute,
)

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("${{parent.inputs.x}}", PipelinePort("inputs", "x")),
        ("${{parent.outputs.x}}", PipelinePort("outputs", "x")),
        ("${{parent.jobs.prep.outputs.train}}", JobPort("prep", "outputs", "train")),
        ("${{parent.jobs.prep.inputs.raw}}", JobPort("prep", "inputs", "raw")),
        ("${{ parent.inputs.x }}", PipelinePort("inputs", "x")),
        ("  ${{parent.inputs.x}}\n", PipelinePort("inputs", "x")),
        ("${{parent.inputs.group.x}}", PipelinePort("inputs", "group.x")),
        ("${{parent.inputs.Learning_rate2}}", PipelinePort("inputs", "Learning_rate2")),
    ],
)
def test_every_spelling_of_a_binding_is_understood(text: str, port: object) -> None:
    assert parse(text) == port


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pre-${{parent.inputs.x}}", "whole value"),
        ("${{parent.inputs.x}}/sub", "whole value"),
        ("${{parent.inputs.x}}${{parent.inputs.y}}", "whole value"),
        ("${{parent.inputs.x", "not closed"),
        ("${{parent.inputs.x}", "not closed"),
        ("parent.inputs.x", "not an expression"),
        ("", "not an expression"),
        ("${{inputs.x}}", "write parent.inputs.x"),
        ("${{outputs.x}}", "write parent.outputs.x"),
        ("${{parent.input.x}}", "none of"),
        ("${{parent.jobs.prep.x}}", "none of"),
        ("${{parent.jobs.prep.outputs}}", "none of"),
        ("${{jobs.prep.outputs.x}}", "none of"),
        ("${{parent.inputs.1x}}", "none of"),
        ("${{}}", "none of"),
        ("${{name}}", "none of"),
    ],
)
def test_what_is_no_binding_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BindingError, match=why):
        parse(text)


@pytest.mark.parametrize(
    ("text", "binding"),
    [
        ("${parent.inputs.x}", "${{parent.inputs.x}}"),
        ("{{ parent.inputs.x }}", "${{parent.inputs.x}}"),
        ("parent.jobs.a.outputs.b", "${{parent.jobs.a.outputs.b}}"),
        ("$[[parent.inputs.x]]", "${{parent.inputs.x}}"),
        ("${{parent.inputs.x}", "${{parent.inputs.x}}"),
        ("${{inputs.x}}", "${{parent.inputs.x}}"),
        ("${{jobs.a.outputs.b}}", "${{parent.jobs.a.outputs.b}}"),
        ("${{parent.a.outputs.b}}", "${{parent.jobs.a.outputs.b}}"),
        ("x-${{parent.inputs.x}}", None),
        ("${{parent.jobs.a}}", None),
        ("inputs.x", None),
        ("parent.py", None),
        ("", None),
    ],
)
def test_what_is_nearly_a_binding_says_which(text: str, binding: str | None) -> None:
    assert meant(text) == binding


@given(
    st.one_of(
        st.builds(PipelinePort, st.sampled_from(["inputs", "outputs"]), NAMES),
        st.builds(JobPort, NAMES, st.sampled_from(["inputs", "outputs"]), NAMES),
    )
)
def test_a_binding_reads_back_from_its_text(port: PipelinePort | JobPort) -> None:
    assert parse(str(port)) == port


@given(st.text(max_size=60))
def test_any_text_is_a_binding_or_refused(text: str) -> None:
    with contextlib.suppress(BindingError):
        assert str(parse(text))


@pytest.mark.parametrize(
    ("inside", "port"),
    [
        ("inputs.x", OwnPort("inputs", "x")),
        ("outputs.x", OwnPort("outputs", "x")),
        ("search_space.x", OwnPort("search_space", "x")),
        (" inputs.x ", OwnPort("inputs", "x")),
    ],
)
def test_a_job_names_its_own_ports(inside: str, port: OwnPort) -> None:
    assert parse_expression(inside) == port


def test_an_expression_is_told_from_the_shells_own_dollars() -> None:
    assert has_expression("a ${{x}}")
    assert not has_expression("echo ${HOME} $(ls) $[1+1] {{x}}")


# --- what a command refers to ----------------------------------------------------------------------------------------


def test_references_are_found_with_their_offset_and_whether_they_are_optional() -> None:
    command = "run ${{inputs.a}} $[[--b ${{ inputs.b }}]] > ${{outputs.o}}/f"
    found, wrong = command_references(command)
    assert not wrong
    assert [(str(reference.port.name), reference.optional) for reference in found] == [("a", False), ("b", True), ("o", False)]
    assert [command[reference.offset : reference.offset + 3] for reference in found] == ["${{"] * 3


@pytest.mark.parametrize(
    ("command", "message", "instead"),
    [
        ("run ${{input.a}}", "neither", "inputs.a"),
        ("run ${{parent.inputs.a}}", "binding of a pipeline", "inputs.a"),
        ("run ${{parent.jobs.j.outputs.a}}", "binding of a pipeline", "outputs.a"),
        ("run ${{inputs.a}", "is no expression", "${{inputs.a}}"),
        ("run ${inputs.a}", "is no expression", "${{inputs.a}}"),
        ("run $ {{ inputs.a }}", "is no expression", "${{inputs.a}}"),
        ("run {{outputs.a}}", "is no expression", "${{outputs.a}}"),
        ("run ${{inputs.a", "not closed by '}}'", ""),
        ("run $[[--a ${{inputs.a}}]", "not closed by ']]'", ""),
        ("run ${{}}", "neither", ""),
    ],
)
def test_what_a_command_gets_wrong_is_said_with_its_offset_and_what_is_meant(command: str, message: str, instead: str) -> None:
    _, wrong = command_references(command)
    assert [(slip.offset, message in slip.what, slip.instead) for slip in wrong] == [(4, True, instead)]
    if instead:
        assert wrong[0].text in command


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("run $[[--a ${{inputs.a}}]]", []),
        ("run $[[inputs.a]]", [(4, "$[[${{inputs.a}}]]")]),
        ("run $[[--fast]] $[[ ]]", [(4, ""), (16, "")]),
    ],
)
def test_an_optional_part_without_an_input_is_told(command: str, found: list[tuple[int, str]]) -> None:
    assert [(slip.offset, slip.instead) for slip in idle_options(command)] == found


@pytest.mark.parametrize(
    "command",
    [
        "echo ${HOME} $(ls) $((1+2)) ${a[0]}",
        "[[ -f x ]] && echo",
        "echo '{{x}}'",
        "echo ${{name}} ${{default_datastore}} ${{output_name}}",
        "",
    ],
)
def test_the_shells_own_syntax_is_left_alone(command: str) -> None:
    assert command_references(command) == ([], [])


# --- what a command becomes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("run ${{inputs.a}} ${{outputs.o}}/x", "run 1 /out/x"),
        ("run ${{ inputs.a }}${{inputs.a}}", "run 11"),
        ("run '${{inputs.a}}'", "run '1'"),
        ("run $[[--none ${{inputs.none}}]] end", "run  end"),
        ("run $[[--a ${{inputs.a}}]] end", "run --a 1 end"),
        ("run $[[--a ${{inputs.a}} --n ${{inputs.none}}]]end", "run end"),
        ("run $[[--a ${{inputs.a}}]]$[[--n ${{inputs.none}}]]", "run --a 1"),
        ("run $[[\n  --a ${{inputs.a}}\n]]", "run \n  --a 1\n"),
        ("run $[[inputs.none]]", "run inputs.none"),
        ("run $[[--verbose]]", "run --verbose"),
        ("run ${{inputs.none}}", "run "),
        ("run ${{search_space.a}}", "run 1"),
        ("run ${{name}} $HOME", "run ${{name}} $HOME"),
        ("if [[ ${{inputs.a}} ]]; then echo; fi", "if [[ 1 ]]; then echo; fi"),
    ],
)
def test_a_command_is_filled_in_as_plain_text(command: str, text: str) -> None:
    assert render(command, {"a": "1", "none": None}, {"o": "/out"}) == text


@pytest.mark.parametrize(
    "value",
    ["${{inputs.secret}}", "$[[x]]", "$[[--x ${{inputs.none}}]]", "}}", "${{", "]]", "$[[", r"\1 \g<0>", "${{outputs.o}}"],
)
def test_a_value_is_never_read_as_an_expression(value: str) -> None:
    inputs = {"a": value, "secret": "s3cret", "none": None}
    assert render("run ${{inputs.a}} ${{inputs.a}}", inputs, {"o": value}) == f"run {value} {value}"
    assert render("run $[[--a ${{inputs.a}}]] ${{outputs.o}}", inputs, {"o": value}) == f"run --a {value} {value}"


@given(
    st.lists(
        st.one_of(st.sampled_from(["a", "b", "o"]), st.text(st.characters(exclude_characters="${}[]"), max_size=8)), max_size=8
    ),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_filling_in_puts_each_value_where_its_name_stood_and_changes_nothing_else(parts: list[str], a: str, b: str) -> None:
    values = {"a": a, "b": b}
    command = "".join(f"${{{{inputs.{part}}}}}" if part in values else part for part in parts)
    assert render(command, values, {}) == "".join(values.get(part, part) for part in parts)


def test_other_expressions_are_substituted_by_name_or_left() -> None:
    known = {"name": "job1", "default_datastore": "blob"}
    text = "azureml://datastores/${{default_datastore}}/paths/${{ name }}/${{output_name}}"
    assert substitute(text, known.get) == "azureml://datastores/blob/paths/job1/${{output_name}}"
    assert substitute("${{name}}", {"name": "${{name}}"}.get) == "${{name}}"
