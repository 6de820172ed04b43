import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.commands import broken_lines, invocations, simple_commands


def words(command: str) -> list[list[str]]:
    return [[word.text for word in simple] for simple in simple_commands(command)]


def scripts(command: str) -> list[tuple[str | None, list[str]]]:
    return [(found.script or found.module, [word.text for word in found.arguments]) for found in invocations(command)]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("a b  c", [["a", "b", "c"]]),
        ("a && b; c | d\ne", [["a"], ["b"], ["c"], ["d"], ["e"]]),
        ("a 'b c' \"d e\"f", [["a", "b c", "d ef"]]),
        ("a \\\n  b", [["a", "b"]]),
        ("a \\ b", [["a", " b"]]),
        ("a > out.txt b 2>&1 c >> d", [["a", "b", "c"]]),
        ("a # b\nc", [["a"], ["c"]]),
        ("(a b)", [["a", "b"]]),
        ("a ${{ inputs.x }}/y", [["a", "${{ inputs.x }}/y"]]),
        ("a $[[--b ${{inputs.x}}]] c", [["a", "--b", "${{inputs.x}}", "c"]]),
        ("a 'b", []),
        ("", []),
    ],
)
def test_a_command_is_split_as_bash_splits_it(command: str, expected: list[list[str]]) -> None:
    assert words(command) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python train.py --a 1", [("train.py", ["--a", "1"])]),
        ("python3.11 -u -W ignore src/train.py x", [("src/train.py", ["x"])]),
        ("/opt/python/bin/python train.py", [("train.py", [])]),
        ("pip install -r r.txt && python a.py; python b.py | tee log", [("a.py", []), ("b.py", [])]),
        ("OMP_NUM_THREADS=1 python a.py", [("a.py", [])]),
        ("python -m train --a 1", [("train", ["--a", "1"])]),
        ("python -m torch.distributed.launch --nproc 2 a.py --b", [("a.py", ["--b"])]),
        ("torchrun --nproc_per_node 2 a.py --b", [("a.py", ["--b"])]),
        ("mpirun -n 2 python a.py --b", [("a.py", ["--b"])]),
        ("time python a.py", [("a.py", [])]),
        ("python -c pass", []),
        ("python $SCRIPT --a", []),
        ("Rscript a.R", [("a.R", [])]),
        ("bash -e run.sh x && sh ./b.sh", [("run.sh", []), ("./b.sh", [])]),
        ("bash -c 'python a.py' && source activate x && bash $X/a.sh", []),
        ("echo python a.py", []),
        ("python - <<EOF\nprint(1)\nEOF", []),
    ],
)
def test_the_scripts_that_a_command_starts_are_found(command: str, expected: list[tuple[str, list[str]]]) -> None:
    assert scripts(command) == expected


def test_a_word_tells_what_the_shell_or_azure_puts_in_its_place() -> None:
    [found] = invocations("python a.py --x ${{inputs.x}} $[[--y '${{inputs.y}}']] ${{outputs.o}}/f.csv $Z \"$(date)\"")
    flag, x, y_flag, y, path, variable, date = found.arguments
    assert (flag.ports, flag.whole, flag.dynamic, flag.optional) == ((), False, False, False)
    assert (x.ports, x.whole) == ((("inputs", "x"),), True)
    assert (y_flag.optional, y.optional, y.whole, y.ports) == (True, True, False, (("inputs", "y"),))
    assert (path.ports, path.whole, path.optional) == ((("outputs", "o"),), False, False)
    assert variable.dynamic
    assert date.dynamic


def test_a_word_knows_its_place() -> None:
    command = "python  a.py --x\n"
    [found] = invocations(command)
    assert command[found.offset :].startswith("a.py")
    assert command[found.arguments[0].offset :].startswith("--x")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("a --b 1 \\\n  --c 2", []),
        ("a --b 1 \\ --c 2", [("\\", "error")]),
        ("a --b 1 \\  --c \\ --d", [("\\", "error")]),
        ("a 'b \\ c' \"d \\ e\" f\\ g", []),
        ("a --b 1\n  --c 2\n  --d 3", [("--c", "warning")]),
        ("a --b 1\n$[[--c ${{inputs.c}}]]", [("--c", "warning")]),
        ("a 'x\n --b' && b -c\nd -e", []),
        ("a -b <<EOF\n--c \\ d\nEOF", []),
        ("a $[[--b ${{inputs.b}}]] \\\n --c", [("\\", "warning")]),
    ],
)
def test_lines_that_do_not_go_together_are_found(command: str, expected: list[tuple[str, str]]) -> None:
    found = broken_lines(command)
    assert [severity for _, severity in expected] == [broken.severity.value for broken in found]
    assert all(command.startswith(text, broken.offset) for (text, _), broken in zip(expected, found, strict=True))


@given(st.text(alphabet=st.sampled_from("ab $[{}]'\"\\\n;|&<>()#-=.py`~"), max_size=60))
def test_no_text_is_too_odd(command: str) -> None:
    for simple in simple_commands(command):
        assert all(0 <= word.offset < len(command) for word in simple)
    invocations(f"python a.py {command}")
    broken_lines(command)
