"""Parallel steps with real worker processes; what they write is compared byte by byte."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from mlops_lib import Project, pipeline
from mlops_lib.engines import Run, StepPrinted
from mlops_lib.errors import InputError
from mlops_lib.stores.records import Status


class Desk:
    """A project with one parallel job, ``score``."""

    def __init__(self, shop: Any) -> None:
        self.shop, self.root = shop, shop.root
        self.notes = shop.root / "notes"
        self.notes.mkdir()

    def data(self, *texts: str) -> None:
        """Files ``data/f0.txt``, ``data/f1.txt`` …"""
        for number, text in enumerate(texts):
            self.shop.write(f"data/f{number}.txt", text)

    def table(self, *rows: str, steps: Any = ("read_delimited",)) -> dict[str, Any]:
        """An MLTable with one file of *rows*; the input that it is."""
        self.shop.write("table/a.csv", "\n".join(rows) + "\n")
        self.shop.write("table/MLTable", json.dumps({"paths": [{"pattern": "./*.csv"}], "transformations": list(steps)}))
        return {"type": "mltable", "path": "../table", "mode": "direct"}

    def job(self, script: str, *, data: Any = None, arguments: str = "", append: bool = True, inputs: Any = None, **more: Any) -> dict[str, Any]:
        """The job; in *script*, NOTES is a folder to write to."""
        self.shop.write("code/score.py", f"NOTES = {str(self.notes)!r}\n{script}")
        document: dict[str, Any] = {
            "type": "parallel",
            "inputs": {"data": data or {"type": "uri_folder", "path": "../data"}, **(inputs or {})},
            "outputs": {"out": {"type": "uri_file"}},
            "input_data": "${{inputs.data}}",
            "max_concurrency_per_instance": 2,
            "task": {
                "type": "run_function",
                "code": "../code",
                "entry_script": "score.py",
                "environment": "azureml:any@latest",
                "program_arguments": arguments,
            },
        }
        if append:
            document["task"]["append_row_to"] = "${{outputs.out}}"
        else:
            document["outputs"] = {"out": {"type": "uri_folder"}}
        task = more.pop("task", {})
        document["task"].update(task)
        return document | more

    def run(self, script: str, **more: Any) -> Run:
        self.shop.pipeline({"score": self.job(script, **more)}, outputs={"rows": "${{parent.jobs.score.outputs.out}}"})
        found: Run = self.shop.run()
        return found

    def rows(self, script: str, **more: Any) -> str:
        """What is in the output."""
        run = self.run(script, **more)
        assert run.succeeded, run.errors
        return run.outputs["rows"].path.read_text()

    def error(self, script: str, **more: Any) -> str:
        """Why the step fails."""
        run = self.run(script, **more)
        assert run.steps["score"].status is Status.FAILED
        return "\n".join(run.errors)

    def noted(self) -> list[str]:
        return sorted(path.name for path in self.notes.iterdir())

    def log(self) -> str:
        return "\n".join(line for event in self.shop.events if isinstance(event, StepPrinted) for line in event.lines)


@pytest.fixture
def desk(project: Callable[..., Any]) -> Desk:
    return Desk(project())


NAMES = """
import os
def init(): pass
def run(mini_batch): return [f"{os.path.basename(path)} {open(path).read()}" for path in mini_batch]
"""
# Fails on the first attempt at a mini-batch; ``how`` is replaced.
ONCE = """
import os, signal, time
def init(): pass
def run(mini_batch, context):
    try:
        os.close(os.open(f"{NOTES}/tried-{context.minibatch_index}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return [os.path.basename(path) for path in mini_batch]
    if context.minibatch_index == 1: HOW
    return [os.path.basename(path) for path in mini_batch]
"""


# --- what comes out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 100])
def test_items_are_lines_in_the_order_of_the_files(desk: Desk, size: int) -> None:
    desk.data(*"abcde")
    assert desk.rows(NAMES, mini_batch_size=str(size)) == "f0.txt a\nf1.txt b\nf2.txt c\nf3.txt d\nf4.txt e\n"


def test_items_are_written_as_python_prints_them(desk: Desk) -> None:
    desk.data("a")
    script = "def init(): pass\ndef run(mini_batch): return (1, 2.50, None, True, {'a': 'é'}, ['x', 1], 'text with  blanks')\n"
    assert desk.rows(script) == "1\n2.5\nNone\nTrue\n{'a': 'é'}\n['x', 1]\ntext with  blanks\n"


FRAMES = """
import pandas as pd
def init(): pass
def run(mini_batch):
    return pd.DataFrame({"file name": [mini_batch[0][-6:]], "n": [1.50], "t": ['two words'], "q": ['say "x"'], "none": [None]}, index=[7])
"""


def test_rows_of_a_frame_are_separated_by_blanks_without_header_and_index(desk: Desk) -> None:
    desk.data("a", "b")
    assert desk.rows(FRAMES) == 'f0.txt 1.5 "two words" "say ""x""" \nf1.txt 1.5 "two words" "say ""x""" \n'


def test_a_header_stands_once_above_all_rows_when_it_is_asked_for(desk: Desk) -> None:
    desk.data("a", "b")
    rows = desk.rows(FRAMES, arguments="--append_row_dataframe_header True")
    assert rows.splitlines()[0] == '"file name" n t q none'
    assert len(rows.splitlines()) == 3


def test_a_folder_gets_a_file_of_rows_and_without_append_row_to_nothing_is_collected(desk: Desk) -> None:
    desk.data("a")
    job = {"outputs": {"out": {"type": "uri_folder"}}, "task": {"append_row_to": "${{outputs.out}}"}}
    assert (desk.run(NAMES, **job).outputs["rows"].path / "parallel_run_step.txt").read_text() == "f0.txt a\n"
    assert list(desk.run(NAMES, append=False).outputs["rows"].path.iterdir()) == []


@pytest.mark.parametrize(("result", "what"), [("None", "nothing"), ("'text'", "a str"), ("{'a': 1}", "a dict"), ("3", "an int")])
def test_a_result_that_is_no_list_is_a_failure(desk: Desk, result: str, what: str) -> None:
    desk.data("a")
    error = desk.error(f"def init(): pass\ndef run(mini_batch): return {result}\n", retry_settings={"max_retries": 0})
    assert f"its only mini-batch failed; the last one: mini-batch 0 (f0.txt) raised TypeError: run() returned {what}; it returns" in error


# --- the entry script ------------------------------------------------------------------------------------------------


def test_a_worker_lives_across_mini_batches(desk: Desk) -> None:
    desk.data(*"abcdefgh")
    script = """
import os
def init():
    global count
    count = 0
    open(f"{NOTES}/init-{os.getpid()}", "x").close()
def run(mini_batch):
    global count
    count += 1
    return [count]
def shutdown():
    open(f"{NOTES}/shutdown-{os.getpid()}-{count}", "x").close()
"""
    counts = [int(count) for count in desk.rows(script, max_concurrency_per_instance=2).split()]
    started = {name.split("-")[1] for name in desk.noted() if name.startswith("init-")}
    ended = {name.split("-")[1]: int(name.split("-")[2]) for name in desk.noted() if name.startswith("shutdown-")}
    assert started == set(ended)
    assert len(started) <= 2
    assert sum(ended.values()) == 8
    assert sorted(counts) == sorted(n for total in ended.values() for n in range(1, total + 1))


def test_no_more_workers_are_started_than_there_are_mini_batches(desk: Desk) -> None:
    desk.data("a")
    script = NAMES.replace("def init(): pass", 'def init(): open(f"{NOTES}/{os.getpid()}", "x").close()')
    desk.rows(script, max_concurrency_per_instance=5)
    assert len(desk.noted()) == 1


@pytest.mark.parametrize(
    ("signature", "row"),
    [
        ("mini_batch", "['mini_batch']"),
        ("mini_batch, mini_batch_context", "['mini_batch', 'mini_batch_context']"),
        ("batch, context=None", "['batch', 'context']"),
        ("batch, verbose=False", "['batch']"),
        ("batch, *, mini_batch_context", "['batch', 'mini_batch_context']"),
        ("*both", "[2]"),
    ],
)
def test_run_gets_its_context_if_it_takes_one(desk: Desk, signature: str, row: str) -> None:
    desk.data("a")
    script = f"""
def init(): pass
def run({signature}):
    given = dict(locals())
    if "both" in given: return [[len(both)]]
    context = given.get("mini_batch_context") or given.get("context")
    assert context is None or (context.minibatch_index, context.partition_key_value) == (0, {{}})
    return [[name for name, value in given.items() if value]]
"""
    assert desk.rows(script) == f"{row}\n"


def test_arguments_have_their_values_and_not_those_of_the_job(desk: Desk) -> None:
    desk.data("a")
    script = "import sys\ndef init(): pass\ndef run(mini_batch): return sys.argv[1:]\n"
    arguments = "--rate ${{inputs.rate}} --error_threshold 5 $[[--name '${{inputs.name}}']] --allowed_failed_percent=50 --out ${{outputs.out}}"
    rows = desk.rows(script, arguments=arguments, inputs={"rate": 0.5, "name": "two words"}).splitlines()
    assert rows[:5] == ["--rate", "0.5", "--name", "two words", "--out"]
    assert rows[5].endswith("/made/out")


@pytest.mark.parametrize("entry", ["pkg/main.py", "./pkg/main.py", "pkg.main"])
def test_the_entry_script_is_a_file_or_a_module_of_the_code(desk: Desk, entry: str) -> None:
    desk.data("a")
    desk.shop.write("code/pkg/main.py", "import tables\ndef init(): pass\ndef run(mini_batch): return [tables.WORD, __name__ != '__main__']\n")
    desk.shop.write("code/tables.py", "WORD = 'its own module'\n")
    assert desk.rows("", task={"entry_script": entry}) == "its own module\nTrue\n"


def test_the_logger_that_azure_ml_gives_entry_scripts_is_there(desk: Desk) -> None:
    desk.data("a")
    script = """
import logging, os
from azureml_user.parallel_run import EntryScript
def init():
    EntryScript().logger.info("told"); EntryScript().logger.debug("not told"); logging.warning("warned"); logging.info("hidden")
def run(mini_batch):
    entry = EntryScript()
    os.makedirs(entry.log_dir, exist_ok=True)
    open(os.path.join(entry.log_dir, entry.agent_name), "w").close()
    open(os.path.join(entry.output_dir, "more"), "w").close()
    return ["x"]
"""
    run = desk.run(script, append=False)
    assert run.succeeded, run.errors
    assert "INFO EntryScript: told" in desk.log()
    assert "warned" in desk.log()
    assert "not told" not in desk.log()
    assert "hidden" not in desk.log()
    assert [path.name for path in run.outputs["rows"].path.iterdir()] == ["more"]
    assert (desk.root / ".mlops" / "runs" / run.id / "score" / "logs/user/entry_script_log/0/process000").is_file()
    assert desk.run(script, append=False, logging_level="DEBUG", mini_batch_size="7").succeeded
    assert "DEBUG EntryScript: not told" in desk.log()


def test_variables_are_those_of_a_step(desk: Desk) -> None:
    desk.data("a")
    script = """
import os, sys
def init(): pass
def run(mini_batch):
    print("to stdout"); print("to stderr", file=sys.stderr); os.system("echo from a child")
    names = ["MINE", "OMP_NUM_THREADS", "AZUREML_PARAMETER_word", "AZUREML_EXPERIMENT_NAME"]
    return [*(os.environ[name] for name in names), "AZUREML_RUN_ID" in os.environ, sys.stdin.read() if sys.stdin else "", os.listdir()]
"""
    rows = desk.rows(script, inputs={"word": "w"}, environment_variables={"MINE": "m", "OMP_NUM_THREADS": "1"}).splitlines()
    assert rows[:6] == ["m", "1", "w", "p", "True", ""]
    assert set(json.loads(rows[6].replace("'", '"'))) >= {"score.py", "outputs", "logs"}
    assert {"to stdout", "to stderr", "from a child"} <= set(desk.log().splitlines())


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("raise ValueError('bad luck')", "mini-batch 1 (f1.txt) raised ValueError: bad luck (attempt 1 of 3)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "mini-batch 1 (f1.txt) ended its worker, which was killed by SIGKILL (out of memory?) (attempt 1 of 3)"),
        ("os._exit(7)", "mini-batch 1 (f1.txt) ended its worker, which exited with code 7 (attempt 1 of 3)"),
        ("time.sleep(600)", "mini-batch 1 (f1.txt) was not done after 3 s, its timeout (attempt 1 of 3)"),
        ("raise SystemExit(3)", "mini-batch 1 (f1.txt) raised SystemExit: 3 (attempt 1 of 3)"),
        ("os.fork() or time.sleep(600); os.kill(os.getpid(), signal.SIGKILL)", "mini-batch 1 (f1.txt) ended its worker"),
    ],
)
def test_what_happens_to_a_mini_batch_costs_one_attempt_and_no_row(desk: Desk, how: str, told: str) -> None:
    desk.data(*"abcd")
    retry = {"max_retries": 2, "timeout": 3 if how == "time.sleep(600)" else 3600}
    rows = desk.rows(ONCE.replace("HOW", how), retry_settings=retry, mini_batch_error_threshold=0)
    assert rows == "f0.txt\nf1.txt\nf2.txt\nf3.txt\n"
    assert told in desk.log()


def test_rows_of_an_attempt_that_was_not_finished_do_not_count(desk: Desk) -> None:
    desk.data("a", "b")
    script = """
import os, signal
def init(): pass
class Rows(list):
    def __iter__(self):
        yield "half"
        try:
            os.close(os.open(f"{NOTES}/tried", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            yield "whole"
            return
        os.kill(os.getpid(), signal.SIGKILL)
def run(mini_batch): return Rows([1, 2])
"""
    assert desk.rows(script, max_concurrency_per_instance=1) == "half\nwhole\nhalf\nwhole\n"


BAD = """
import os
def init(): pass
def run(mini_batch):
    inner(os.path.basename(mini_batch[0]))
    return [os.path.basename(mini_batch[0])]
def inner(name):
    if name in BAD: raise ValueError(f"cannot read {name}")
"""


def test_more_failures_than_allowed_fail_the_step_and_say_which_why_and_where(desk: Desk) -> None:
    desk.data(*"abcd")
    error = desk.error(BAD.replace("BAD", "('f1.txt', 'f2.txt')"), mini_batch_error_threshold=1, retry_settings={"max_retries": 1}, max_concurrency_per_instance=1)
    assert error.startswith(
        "step 'score' failed: 2 mini-batches failed, and mini_batch_error_threshold is 1; "
        "the last one: mini-batch 2 (f2.txt) raised ValueError: cannot read f2.txt\n"
    )
    assert 'line 9, in inner\n  ' in error
    assert "(attempt 2 of 2)" in error
    assert "f3.txt" not in error


def test_failures_that_are_allowed_are_told_and_leave_no_rows(desk: Desk) -> None:
    desk.data(*"abcd")
    run = desk.run(BAD.replace("BAD", "('f1.txt', 'f2.txt')"), retry_settings={"max_retries": 0})
    assert run.succeeded
    assert run.outputs["rows"].path.read_text() == "f0.txt\nf3.txt\n"
    [notice] = run.notices
    assert notice.startswith("2 of 4 mini-batches of step 'score' failed, which its thresholds allow; the last one: mini-batch ")


def test_a_share_that_may_fail_is_judged_when_all_is_over(desk: Desk) -> None:
    desk.data(*"abcd")
    script = BAD.replace("BAD", "('f1.txt', 'f2.txt')")
    error = desk.error(script, retry_settings={"max_retries": 0}, arguments="--allowed_failed_percent 49")
    assert "failed: 2 of 4 mini-batches failed, and allowed_failed_percent is 49" in error


def test_items_that_are_not_returned_count_against_their_own_threshold(desk: Desk) -> None:
    desk.data(*"abcdef")
    script = "def init(): pass\ndef run(mini_batch): return mini_batch[1:]\n"
    assert len(desk.rows(script, mini_batch_size="3", mini_batch_error_threshold=0).splitlines()) == 4
    error = desk.error(script, mini_batch_size="3", error_threshold=1)
    assert "failed: 2 items failed, and error_threshold is 1; the last one: mini-batch" in error
    assert "returned 2 of 3 items" in error


def test_too_many_failures_end_the_mini_batches_that_are_at_work(desk: Desk) -> None:
    desk.data(*"ab")
    script = """
import os, time
def init(): pass
def run(mini_batch, context):
    if context.minibatch_index == 0:
        open(f"{NOTES}/waits", "x").close()
        time.sleep(600)
    while not os.path.exists(f"{NOTES}/waits"): time.sleep(0.01)
    raise ValueError("enough")
"""
    error = desk.error(script, mini_batch_error_threshold=0, retry_settings={"max_retries": 0, "timeout": 3600})
    assert "mini-batch 1 (f1.txt) raised ValueError: enough" in error


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("def init(): {}['model']\ndef run(b): return b\n", "failed: init() of score.py raised KeyError: 'model'\n  why: Traceback"),
        ("import no_such_module\ndef init(): pass\ndef run(b): return b\n", "failed: init() of score.py raised ModuleNotFoundError: No module named 'no_such_module'"),
        ("from math import *\ninit = run = None\n", "the entry script 'score.py' defines no run()"),
        ("import argparse\ndef init(): argparse.ArgumentParser().parse_args(['--x'])\ndef run(b): return b\n", "failed: init() of score.py raised SystemExit: 2"),
        ("import os\ndef init(): os._exit(4)\ndef run(b): return b\n", "failed: a worker ended before init() of score.py was done, 2 times: the last one exited with code 4"),
        ("import time\ndef init(): time.sleep(600)\ndef run(b): return b\n", "failed: init() of score.py was not done after 1 s, its first_task_creation_timeout"),
    ],
)  # fmt: skip
def test_an_init_that_fails_is_one_error(desk: Desk, script: str, message: str) -> None:
    desk.data(*"abcd")
    arguments = f"--first_task_creation_timeout {1 if 'sleep' in script else 3600}"
    error = desk.error(script, retry_settings={"max_retries": 1}, arguments=arguments)
    assert message in error
    assert error.count("step 'score' failed") == 1


def test_a_shutdown_that_fails_is_told_and_the_rows_are_kept(desk: Desk) -> None:
    desk.data("a")
    run = desk.run(NAMES + "def shutdown(): raise RuntimeError('too late')\n")
    assert run.succeeded
    assert run.notices == ("shutdown() of step 'score' raised RuntimeError: too late",)
    assert run.outputs["rows"].path.read_text() == "f0.txt a\n"


def test_no_progress_for_too_long_ends_the_step(desk: Desk) -> None:
    desk.data("a")
    script = "import time\ndef init(): pass\ndef run(b): time.sleep(600)\n"
    error = desk.error(script, arguments="--progress_update_timeout 1", retry_settings={"timeout": 3600})
    assert "failed: no mini-batch was done for 1 s, its progress_update_timeout" in error


def test_an_empty_input_and_wrong_arguments_are_one_error(desk: Desk) -> None:
    (desk.root / "data").mkdir()
    assert "step 'score' failed: its input 'data' is empty" in desk.error(NAMES)
    desk.data("a")
    assert "failed: --error_threshold in program_arguments is 'x'" in desk.error(NAMES, arguments="--error_threshold x")


# --- tables ----------------------------------------------------------------------------------------------------------

DOUBLED = """
def init(): pass
def run(frame, context):
    frame["twice"] = frame["n"] * 2
    frame["index"] = context.minibatch_index
    return frame
"""


def test_a_table_is_read_in_pieces_and_written_whole(desk: Desk) -> None:
    data = desk.table("n,t", *(f"{number},v" for number in range(10, 100)))
    rows = desk.rows(DOUBLED, data=data, mini_batch_size="100").splitlines()
    assert [row.split()[:3] for row in rows] == [[str(number), "v", str(2 * number)] for number in range(10, 100)]
    assert len({row.split()[3] for row in rows}) == 5


def test_keys_divide_a_table_and_win_over_the_size(desk: Desk) -> None:
    data = desk.table("n,t", *(f"{number},{'uvw'[number % 3]}" for number in range(10, 40)))
    script = """
def init(): pass
def run(frame, context): return [f"{context.partition_key_value} {len(frame)} {set(frame['t'])}"]
"""
    rows = desk.rows(script, data=data, mini_batch_size="1kb", partition_keys=["t"], error_threshold=-1)
    assert rows == "".join(f"{{'t': '{key}'}} 10 {{'{key}'}}\n" for key in "vwu")


def test_a_table_without_direct_is_a_list_of_its_files(desk: Desk) -> None:
    steps = [{"read_delimited": {"include_path_column": True}}, {"extract_columns_from_partition_format": {"partition_format": "{name}.csv"}}]
    data = {**desk.table("n", "1", steps=steps), "mode": "ro_mount"}
    desk.shop.write("table/b.csv", "n\n2\n")
    script = NAMES.replace("run(mini_batch)", "run(mini_batch, context)").replace("return [", "return [context.partition_key_value] + [")
    rows = desk.rows(script, data=data, partition_keys=["name"])
    assert rows == "{'name': 'a'}\na.csv n\n1\n\n{'name': 'b'}\nb.csv n\n2\n\n"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (["read_delta_lake"], "failed: its input 'data' cannot be read: "),
        ([{"read_delimited": {"heder": "no_header"}}], "table/MLTable:1:77: read_delimited has no option 'heder'"),
        (["read_parquet"], "failed: its input 'data' cannot be read: "),
    ],
)
def test_a_table_that_cannot_be_read_is_one_error(desk: Desk, steps: Any, message: str) -> None:
    error = desk.error(DOUBLED, data=desk.table("n", "1", steps=steps))
    assert message in error
    if steps == ["read_delta_lake"]:
        assert "table/MLTable:1:57: the transformation 'read_delta_lake' of an MLTable is not known here" in error


def test_a_mini_batch_that_a_filter_empties_is_done(desk: Desk) -> None:
    data = desk.table("n", *map(str, range(10, 100)), steps=["read_delimited", {"filter": "col('n') > 97"}])
    assert [row.split()[0] for row in desk.rows(DOUBLED, data=data, mini_batch_size="30", mini_batch_error_threshold=0).splitlines()] == ["98", "99"]


@pytest.mark.parametrize("mode", ["eval_mount", "eval_download"])
def test_a_command_finds_the_files_of_a_table_that_is_evaluated(project: Callable[..., Any], mode: str) -> None:
    shop = project()
    shop.write("table/in/a.csv", "1\n")
    shop.write("table/other.txt", "2\n")
    shop.write("table/MLTable", "paths:\n- pattern: ./**/*.csv\n")
    shop.component("list", "cd ${{inputs.t}} && find . -type f > ${{outputs.o}}", inputs={"t": "mltable"}, outputs={"o": "uri_file"})
    for how, files in ((mode, ["./in/a.csv"]), ("ro_mount", ["./MLTable", "./in/a.csv", "./other.txt"])):
        table = {"type": "mltable", "path": "../table", "mode": how}
        shop.pipeline({"list": ("list", {"t": table})}, outputs={"o": "${{parent.jobs.list.outputs.o}}"})
        run = shop.run()
        assert run.succeeded, run.errors
        assert sorted(run.outputs["o"].path.read_text().splitlines()) == files
    shop.write("table/MLTable", "paths:\n- pattern: ./*.tsv\n")
    shop.pipeline({"list": ("list", {"t": {"type": "mltable", "path": "../table", "mode": mode}})})
    with pytest.raises(InputError, match=r"the pattern './\*.tsv' of the MLTable matches no file"):
        shop.run()


def test_a_table_that_is_elsewhere_is_brought_here_and_divided(desk: Desk) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/lake/t/a.csv": b"n\n10\n11\n", "/lake/t/MLTable": b"paths: [{file: a.csv}]\ntransformations: [read_delimited]\n"})
    try:
        desk.shop.write("mlops.yml", "datastores: {raw: 'memory://lake'}\n")
        data = {"type": "mltable", "path": "azureml://datastores/raw/paths/t", "mode": "direct"}
        assert desk.rows(DOUBLED, data=data) == "10 20 0\n11 22 0\n"
    finally:
        memory.rm("/lake", recursive=True)


# --- as a step -------------------------------------------------------------------------------------------------------


def test_it_is_reused_until_something_changes(desk: Desk) -> None:
    desk.data("a", "b")
    assert desk.run(NAMES).steps["score"].status is Status.COMPLETED
    assert desk.run(NAMES).steps["score"].status is Status.REUSED
    assert desk.run(NAMES, max_concurrency_per_instance=1).steps["score"].status is Status.REUSED
    assert desk.run(NAMES, mini_batch_size="2").steps["score"].reason == "mini_batch_size changed"
    assert desk.run(NAMES + "\n", mini_batch_size="2").steps["score"].reason == "code changed"
    assert desk.run(NAMES + "\n", mini_batch_size="2", arguments="-x").steps["score"].reason == "command changed"


def test_a_component_runs_in_a_nested_pipeline_and_its_job_has_the_last_word(desk: Desk) -> None:
    desk.data(*"abc")
    job = desk.job("def init(): pass\ndef run(mini_batch): return [len(mini_batch)]\n")
    component = {**job, "name": "score", "inputs": {"data": {"type": "uri_folder"}}, "task": {**job["task"], "code": "../code"}}
    desk.shop.write("components/score.yml", json.dumps(component))
    inner = {
        "type": "pipeline", "name": "inner", "inputs": {"data": {"type": "uri_folder"}}, "outputs": {"out": {"type": "uri_file"}},
        "jobs": {"score": {
            "type": "parallel", "component": "./score.yml", "mini_batch_size": "2",
            "inputs": {"data": "${{parent.inputs.data}}"}, "outputs": {"out": "${{parent.outputs.out}}"}}},
    }  # fmt: skip
    desk.shop.write("components/inner.yml", json.dumps(inner))
    desk.shop.pipeline(
        {"outer": {"type": "pipeline", "component": "../components/inner.yml", "inputs": {"data": {"type": "uri_folder", "path": "../data"}}}},
        outputs={"rows": "${{parent.jobs.outer.outputs.out}}"},
    )
    run = desk.shop.run()
    assert run.succeeded, run.errors
    assert run.outputs["rows"].path.read_text() == "2\n1\n"


def test_a_parallel_job_runs_by_itself(desk: Desk) -> None:
    desk.data("a")
    job = desk.job(NAMES)
    job["inputs"]["data"]["path"] = "data"
    job["task"]["code"] = "code"
    desk.shop.write("alone.yml", json.dumps(job))
    desk.shop.mlops("run", "alone.yml", "--output", "out=rows.txt")
    assert (desk.root / "rows.txt").read_text() == "f0.txt a\n"


def test_one_step_of_a_past_run_runs_again(desk: Desk) -> None:
    desk.data("a")
    desk.run(NAMES)
    assert "score: done" in desk.shop.mlops("step", "latest", "score").stderr


def test_a_shell_has_the_entry_script_to_try(desk: Desk) -> None:
    desk.data("a")
    desk.run(NAMES, arguments="--x ${{inputs.word}}", inputs={"word": "w"})
    lines = """printf 'import sys; init(); print(sys.argv[1:], run(["%s"]))' "$AZURE_ML_INPUT_data/f0.txt" | eval "$MLOPS_COMMAND" """
    done = subprocess.run([sys.executable, "-m", "mlops_lib", "step", "latest", "score", "--shell"], cwd=desk.root,
                          env=desk.shop.environment(), input=lines, capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.stdout == "['--x', 'w'] ['f0.txt a']\n", done.stderr


def test_more_nodes_than_one_are_told_to_differ(desk: Desk) -> None:
    desk.data("a")
    run = desk.run(NAMES, resources={"instance_count": 2})
    assert "instance_count 2 of score: one node" in [str(difference) for difference in run.differences]


DIVIDE = """
import csv, os, sys
source, target = sys.argv[1:]
for store, brand, week, sold in csv.reader(open(source)):
    os.makedirs(f"{target}/{store}", exist_ok=True)
    place = f"{target}/{store}/{brand}.csv"
    new = not os.path.exists(place)
    with open(place, "a") as file:
        file.write("week,sold\\n" * new + f"{week},{sold}\\n")
with open(f"{target}/MLTable", "w") as file:
    file.write('''
paths: [{pattern: ./**/*.csv}]
transformations:
- read_delimited: {include_path_column: true}
- extract_columns_from_partition_format: {partition_format: "{Store}/{Brand}.csv"}
- drop_columns: [Path]
''')
"""
TRAIN = """
import argparse, os
def init():
    global folder
    parser = argparse.ArgumentParser()
    parser.add_argument("--model_folder")
    folder = parser.parse_known_args()[0].model_folder
def run(frame, mini_batch_context):
    key = mini_batch_context.partition_key_value
    assert list(frame.columns) == ["week", "sold", "Store", "Brand"]
    place = os.path.join(folder, *key.values())
    os.makedirs(place)
    with open(os.path.join(place, "model.txt"), "w") as file: file.write(str((frame["sold"] / frame["week"]).mean()))
    return frame.head(1)
"""


def test_a_model_for_each_partition_of_what_another_step_has_divided(desk: Desk) -> None:
    """As Azure ML's example of sales forecasts does it: by store and brand, from a table that a step makes."""
    rows = [f"{store},{brand},{week},{week * store}\n" for store in (1, 2) for brand in "ab" for week in range(10, 13)]
    desk.shop.write("sales.csv", "".join(rows))
    desk.shop.component("divide", "python divide.py ${{inputs.sales}} ${{outputs.table}}", inputs={"sales": "uri_file"},
                        outputs={"table": "mltable"}, code={"divide.py": DIVIDE})  # fmt: skip
    table = {"type": "mltable", "path": "${{parent.jobs.divide.outputs.table}}", "mode": "direct"}
    train = desk.job(TRAIN, data=table, append=False, partition_keys=["Store", "Brand"], error_threshold=-1,
                     mini_batch_error_threshold=0, arguments="--model_folder ${{outputs.out}}")  # fmt: skip
    desk.shop.pipeline({"divide": ("divide", {"sales": {"type": "uri_file", "path": "../sales.csv"}}), "train": train},
                       outputs={"models": "${{parent.jobs.train.outputs.out}}"})  # fmt: skip
    run = desk.shop.run()
    assert run.succeeded, run.errors
    models = run.outputs["models"].path
    assert {str(path.relative_to(models)): path.read_text() for path in models.rglob("*.txt")} == {
        f"{store}/{brand}/model.txt": f"{store}.0" for store in (1, 2) for brand in "ab"}  # fmt: skip


def test_a_component_is_a_function_in_python(desk: Desk) -> None:
    desk.data("a", "b")
    job = desk.job(NAMES)
    component = {key: value for key, value in job.items() if key != "inputs"} | {"name": "score", "inputs": {"data": {"type": "uri_folder"}}}
    desk.shop.write("components/score.yml", json.dumps(component))
    score = Project(desk.root).component("score")

    @pipeline
    def both(data: str) -> Any:
        return {"rows": score(data=data).outputs.out}

    run = both(data="data").run()
    assert run.outputs["rows"].path.read_text() == "f0.txt a\nf1.txt b\n"


WAITING = """
import os, time
def init(): pass
def run(mini_batch):
    if os.fork() == 0: time.sleep(600)
    open(f"{NOTES}/{os.getpid()}", "x").close()
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_run(desk: Desk, number: signal.Signals) -> None:
    desk.data(*"abcd")
    desk.shop.pipeline({"score": desk.job(WAITING, retry_settings={"timeout": 3600})})
    process: subprocess.Popen[str] = desk.shop.start("run", "p")
    wait_until(lambda: len(desk.noted()) == 2)
    groups = [int(name) for name in desk.noted()]
    os.killpg(process.pid, number)
    with process:
        process.communicate(timeout=120)
    assert process.returncode == (-9 if number is signal.SIGKILL else 130)
    for group in groups:
        wait_until(lambda group=group: not members(group))  # type: ignore[misc]
    again = desk.rows(NAMES)
    assert again.splitlines()[0] == "f0.txt a"
    assert list((desk.root / ".mlops" / "work").iterdir()) == []


def members(group: int) -> list[int]:
    """The processes of a process group that live."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group, *_ = place.read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if int(process_group) == group and state != "Z":
            found.append(int(place.parent.name))
    return found


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
