import argparse
import contextlib
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_lib.commands import invocations
from mlops_lib.rules.facts import MANY, Arity
from mlops_lib.scripts import (
    Parser,
    Problem,
    defined_in,
    imports_all,
    judge,
    local_imports,
    metrics_of,
    parser_of,
)
from mlops_lib.syntax import tree_of

ARGPARSE = """\
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--rate", "-r", type=float, default=0.1)
parser.add_argument("--mode", choices=["fast", "slow"])
parser.add_argument("--verbose", action="store_true")
parser.add_argument("--shuffle", type=bool)
args = parser.parse_args()
"""
CLICK = """\
import click

@click.command()
@click.option("--data", required=True)
@click.option("--rate", "-r", type=float, default=0.1)
@click.option("--mode", type=click.Choice(["fast", "slow"]))
@click.option("--verbose/--quiet")
def main(data, rate, mode, verbose): ...
"""
TYPER = """\
import typer
from typing import Annotated

def main(data: Annotated[str, typer.Option()], learning_rate: float = 0.1, verbose: bool = False): ...

typer.run(main)
"""


def parser(text: str) -> Parser | None:
    tree = tree_of(text)
    assert tree is not None
    return parser_of(tree)


TYPES = {"s": "boolean", "v": "boolean", "data": "uri_folder", "rate": "number"}


def problems(text: str, arguments: str) -> list[Problem]:
    known = parser(text)
    assert known is not None
    [invocation] = invocations(f"python train.py {arguments}")
    return judge(invocation, known, TYPES)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (ARGPARSE, "--data ${{inputs.data}}"),
        (ARGPARSE, "--data x -r 3 --verbose --mode fast"),
        (ARGPARSE, "--data=x -r3 --mod ${{inputs.mode}}"),
        (ARGPARSE, "--data x $[[--rate ${{inputs.rate}}]]"),
        (ARGPARSE, "$ALL"),
        (ARGPARSE, "${{inputs.all}}"),
        (ARGPARSE, "--data -3"),
        (ARGPARSE + "parser.add_argument('more')\n", "--data x -r3 more"),
        (CLICK, "--data x --quiet -r 3 --mode slow"),
        (TYPER, "--data x --learning-rate 3 --no-verbose"),
    ],
)
def test_a_command_that_fits_its_script_is_left_alone(text: str, arguments: str) -> None:
    assert problems(text, arguments) == []


@pytest.mark.parametrize(
    ("text", "arguments", "code", "words"),
    [
        (ARGPARSE, "--data x --raet 3", "unknown-flag", "did you mean '--rate'?"),
        (ARGPARSE, "--dta ${{inputs.data}}", "unknown-flag", "did you mean '--data'?"),
        (ARGPARSE, "--rate 3", "missing-flag", "requires '--data', which the command does not pass"),
        (ARGPARSE, "$[[--data ${{inputs.data}}]]", "missing-flag", "passes only inside"),
        (ARGPARSE, "--data x --mode fats", "flag-value", "did you mean 'fast'?"),
        (ARGPARSE, "--data x --rate --verbose", "flag-value", "gives '--rate' no value"),
        (ARGPARSE, "--data x --verbose=yes", "flag-value", "takes none for it"),
        (ARGPARSE, "--data x --verbose ${{inputs.v}}", "extra-argument", "has no place for"),
        (ARGPARSE, "--data x y", "extra-argument", "every value needs a flag"),
        (ARGPARSE, "--data x --shuffle ${{inputs.s}}", "boolean-flag", "type=bool"),
        (CLICK, "--data x --loud", "unknown-flag", "which train.py does not take"),
        (CLICK, "--rate 3", "missing-flag", "requires '--data'"),
        (CLICK, "--data x --mode medium", "flag-value", "it takes fast, slow"),
        (TYPER, "--data x --learning_rate 3", "unknown-flag", "did you mean '--learning-rate'?"),
        (TYPER, "--learning-rate 3", "missing-flag", "requires '--data'"),
    ],
)
def test_what_a_script_would_refuse_is_told_once(text: str, arguments: str, code: str, words: str) -> None:
    [problem] = problems(text, arguments)
    assert problem.code == code
    assert words in f"{problem.what} {problem.why} {problem.fix}"


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nprint(sys.argv)\n",
        ARGPARSE.replace('"--rate"', "f'--{name}'"),
        ARGPARSE.replace("required=True", "**more"),
        ARGPARSE.replace("ArgumentParser()", "ArgumentParser(parents=[base])"),
        ARGPARSE.replace("ArgumentParser()", "ArgumentParser(fromfile_prefix_chars='@')"),
        ARGPARSE.replace("args =", "add_more(parser)\nargs ="),
        ARGPARSE.replace("args =", "sub = parser.add_subparsers()\nargs ="),
        ARGPARSE.replace("parse_args()", "parse_args(['--data', 'x'])"),
        ARGPARSE.replace("args = parser.parse_args()", ""),
        ARGPARSE.replace("store_true", "my_action").replace('"my_action"', "MyAction"),
        ARGPARSE + "other = argparse.ArgumentParser()\n",
        ARGPARSE.replace("import argparse", "import argparse\nimport fire"),
        CLICK.replace("@click.command()", "@click.group()"),
        CLICK.replace("@click.command()", "@click.command()\n@with_more"),
        CLICK.replace("@click.command()", "@click.command(context_settings={})"),
        TYPER + "@app.command()\ndef other(): ...\n",
        TYPER.replace("verbose: bool = False", "**more"),
    ],
)
def test_what_the_source_does_not_tell_is_not_judged(text: str) -> None:
    assert parser(text) is None


def test_options_added_in_a_loop_over_written_values_are_known() -> None:
    text = ARGPARSE.replace(
        "args =", 'for part in ("train", "test"):\n    parser.add_argument(f"--{part}", required=True)\n'
        'for number in range(1, 3):\n    parser.add_argument("--model-" + f"{number}")\nargs ='
    )
    known = parser(text)
    assert known is not None
    assert {"--train", "--test", "--model-1", "--model-2"} <= known.flags.keys()
    assert known.flags["--train"].required


def test_an_option_added_in_a_branch_is_known_and_not_required() -> None:
    known = parser(ARGPARSE.replace("args =", 'if later:\n    parser.add_argument("--extra", required=True)\nargs ='))
    assert known is not None
    assert not known.flags["--extra"].required


def test_a_parser_that_passes_over_the_unknown_is_lenient() -> None:
    assert problems(ARGPARSE.replace("parse_args", "parse_known_args"), "--data x --what 3 y") == []


# --- against argparse itself -----------------------------------------------------------------------------------------

OPTIONS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["--alpha", "--beta", "--gamma", "--alpine", "-a", "count", "file"])},
        optional={
            "required": st.booleans(),
            "action": st.sampled_from(["store", "store_true", "append"]),
            "nargs": st.sampled_from(["?", "*", "+", 1, 2]),
            "choices": st.just(["x", "y"]),
        },
    ),
    max_size=4,
    unique_by=lambda option: option["name"],
)
LINES = st.lists(st.sampled_from(["--alpha", "--beta", "--alp", "--gamma=x", "-a", "-ax", "x", "y", "z", "--delta"]), max_size=6)


def call(option: dict[str, Any]) -> str:
    told = dict(option)
    name = told.pop("name")
    if not name.startswith("-"):
        told.pop("required", None)
        if told.get("action") != "store":
            told.pop("action", None)
    if told.get("action") == "store_true":
        told.pop("nargs", None)
        told.pop("choices", None)
    return f"parser.add_argument({name!r}{''.join(f', {key}={value!r}' for key, value in told.items())})"


@settings(max_examples=300, deadline=None)
@given(OPTIONS, LINES)
def test_what_is_refused_here_is_refused_by_argparse(options: list[dict[str, Any]], line: list[str]) -> None:
    body = "\n".join(call(option) for option in options)
    text = f"import argparse\nparser = argparse.ArgumentParser()\n{body}\nargs = parser.parse_args()\n"
    found = problems(text, " ".join(line))
    scope: dict[str, Any] = {"parser": argparse.ArgumentParser()}
    exec(body, scope)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            scope["parser"].parse_args(line)
            refused = False
        except SystemExit as stop:
            refused = stop.code != 0
    assert refused or not found


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_text_is_too_odd_for_a_script(text: str | bytes) -> None:
    tree = tree_of(text)
    if tree is not None:
        parser_of(tree)
        metrics_of([tree])
        defined_in(tree)
        local_imports(tree)


# --- metrics and definitions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names", "more"),
    [
        ("mlflow.log_metric('auc', 1)", {"auc"}, False),
        ("mlflow.log_metric(key='auc', value=1)", {"auc"}, False),
        ("mlflow.log_metrics({'a': 1, 'b': 2}, step=3)", {"a", "b"}, False),
        ("client.log_metric(run, 'auc', 1)", {"auc"}, False),
        ("run.log('loss', 1)", {"loss"}, False),
        ("mlflow.log_metric(f'{name}', 1)", set(), True),
        ("mlflow.log_metrics(found)", set(), True),
        ("mlflow.log_metrics({**found, 'a': 1})", set(), True),
        ("mlflow.sklearn.autolog()", set(), True),
        ("print(1)", set(), False),
    ],
)
def test_the_metrics_that_a_script_logs_are_found(text: str, names: set[str], more: bool) -> None:
    tree = tree_of(text)
    assert tree is not None
    assert metrics_of([tree]) == (frozenset(names), more)


def test_what_a_module_defines_is_found_with_the_arguments_that_it_needs() -> None:
    tree = tree_of(
        "from a import run as go\nimport b.c\ndef init(): ...\ndef run(batch, context=None): ...\nshutdown = init\n"
        "if True:\n    def late(*rest): ...\nclass Model: ...\ndef outer():\n    def inner(): ...\n"
        "@wrapped\ndef odd(): ...\n"
    )
    assert tree is not None
    assert defined_in(tree) == {"go": None, "b": None, "init": Arity(0, 0), "run": Arity(1, 2), "shutdown": None, "late": Arity(0, MANY), "Model": None, "outer": Arity(0, 0), "odd": None}
    assert not imports_all(tree)


def test_local_imports_are_told() -> None:
    tree = tree_of("import os\nfrom features import build\nfrom . import more\nfrom .deep.er import x\nfrom rest import *\n")
    assert tree is not None
    assert local_imports(tree) == {"os", "features", "more", "deep", "rest"}
    assert imports_all(tree)
