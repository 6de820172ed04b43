import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def last_error(done: Any) -> str:
    return str(done.stderr.strip())


# --- usage -----------------------------------------------------------------------------------------------------------


def test_help_loads_next_to_nothing() -> None:
    code = """
import sys
before = set(sys.modules)
import click
click_alone = set(sys.modules)
from mlops_lib.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
print(len(set(sys.modules) - click_alone), sorted({"yaml", "rich", "sqlite3", "pathspec", "mlops_lib.spec"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    count, heavy = done.stdout.splitlines()[-1].split(" ", 1)
    assert heavy == "[]"
    assert int(count) < 44  # one more with each module of commands


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["run"], "Missing argument 'PIPELINE'"),
        (["run", "p", "--jobs", "0"], "Invalid value for '--jobs'"),
        (["run", "p", "--set", "novalue"], "--set 'novalue' has no '='"),
        (["run", "p", "--set", "=value"], "--set '=value' has no name"),
        (["run", "p", "--set", "a=1", "--set", "a=2"], "--set gives 'a' twice"),
        (["run", "nope"], "no pipeline 'nope'"),
        (["run", "nope.yml"], "the file 'nope.yml' does not exist"),
        (["run", "p", "--set", "nope=1"], "the pipeline has no input 'nope'"),
        (["run", "p", "--output", "nope=x"], "the pipeline has no output 'nope'"),
        (["runs", "show", "nope"], "no run yet"),
        (["runs", "logs"], "no run yet"),
        (["step", "latest", "x"], "no run yet"),
        (["data", "show", "nope"], "no data 'nope' is registered here"),
        (["models", "show", "nope"], "no model 'nope' is registered here"),
        (["--project", "/nowhere", "validate"], "Directory '/nowhere' does not exist"),
    ],
)
def test_wrong_input_is_one_clear_error_and_exit_code_2(arguments: list[str], words: str, copying: Any) -> None:
    done = copying.mlops(*arguments, expect=2)
    assert words in done.stderr
    assert done.stdout == ""
    assert not (copying.root / ".mlops/runs").exists()


@pytest.mark.parametrize("words", ["run {}", "validate {}", "schedule next {}", "models register {}", "serve ./{}",
                                   "run p --set raw={}"])  # fmt: skip
def test_what_is_too_long_for_a_name_is_told_as_absent(words: str, copying: Any) -> None:
    done = copying.mlops(*words.format("n" * 300 + ".yml").split(" "), expect=2)
    assert "does not exist" in done.stderr


def test_without_a_command_there_is_help(copying: Any) -> None:
    assert "Commands:" in copying.mlops(expect=2).stderr
    assert "fix: mlops run --help" in copying.mlops("run", expect=2).stderr


def test_outside_a_project_it_says_so(copying: Any, tmp_path: Path) -> None:
    assert "no project in" in copying.mlops("run", "p", cwd=Path("/proc"), expect=2).stderr
    assert copying.mlops("--project", str(copying.root), "run", "p", cwd=Path("/proc"))


def test_validate_has_an_exit_code(copying: Any) -> None:
    assert copying.mlops("validate").stderr == "no mistakes found\n"
    copying.component("broken", "echo ${{inputs.nope}}")
    done = copying.mlops("validate", expect=2)
    assert "nope" in done.stdout
    (finding,) = json.loads(copying.mlops("validate", "--format", "json", expect=2).stdout)
    assert finding["line"] == 1


# --- run and plan ----------------------------------------------------------------------------------------------------


def test_a_run_prints_its_outputs_on_stdout_and_all_else_on_stderr(copying: Any) -> None:
    done = copying.mlops("run", "p")
    name, path = done.stdout.strip().split(": ")
    assert name == "result"
    assert (copying.root / path).read_text() == "one\ntwo\n"
    assert re.search(r"^run p-\S+: 2 steps, 0 to reuse\nfirst: started\nfirst: done \(", done.stderr)
    assert "completed in" in done.stderr
    again = copying.mlops("run", "p")
    assert "2 reused" in again.stderr
    assert again.stdout == done.stdout


def test_values_are_set_from_the_command_line(copying: Any) -> None:
    assert (copying.root / copying.mlops("run", "p", "--set", "line=3").stdout.split(": ")[1].strip()).read_text() == "one\n3\n"
    copying.write("other/in.txt", "uno\n")
    found = copying.json("run", "p", "--set", "raw=.", cwd=copying.root / "other")
    assert Path(found["outputs"]["result"]["path"]).read_text() == "uno\ntwo\n"


def test_a_pipelines_file_does_as_well_as_its_name(copying: Any) -> None:
    assert copying.json("run", "p.yml", cwd=copying.root / "pipelines")["pipeline"] == "p"
    assert copying.json("runs", "resume", cwd=copying.root / "data")["status"] == "completed"


def test_json_is_one_document_and_progress_is_nowhere_in_it(copying: Any) -> None:
    done = copying.mlops("run", "p", "--json")
    document = json.loads(done.stdout)
    assert done.stderr == ""
    assert document["status"] == "completed"
    assert set(document["steps"]) == {"first", "second"}
    assert Path(document["steps"]["first"]["log"]).is_file()
    assert document["steps"]["first"]["command"].startswith("cp ")


def test_a_failed_step_is_exit_code_1_with_the_end_of_its_log(copying: Any) -> None:
    copying.component(
        "add",
        "echo the reason; : ${{inputs.before}} ${{inputs.line}} ${{outputs.out}}; exit 4",
        inputs={"before": "uri_folder", "line": "string"},
        outputs={"out": "uri_file"},
    )
    done = copying.mlops("run", "p", expect=1)
    assert "step 'second' exited with code 4" in done.stderr
    assert "  | the reason" in done.stderr
    done = copying.mlops("run", "p", "--json", expect=1)
    document = json.loads(done.stdout)
    assert document["status"] == "failed"
    assert document["errors"][0].startswith("step 'second' exited with code 4")
    assert document["steps"]["second"]["exit_code"] == 4
    assert document["outputs"] == {}
    assert "the reason" in copying.mlops("runs", "show").stdout


def test_a_plan_says_what_would_run_and_why_and_runs_nothing(copying: Any) -> None:
    assert copying.json("plan", "p")["steps"][0] | {"fingerprint": ""} == {
        "name": "first",
        "action": "run",
        "reason": "never ran here",
        "waits": [],
        "fingerprint": "",
    }
    assert not (copying.root / "count").exists()
    copying.mlops("run", "p")
    done = copying.mlops("plan", "p", "--set", "line=x")
    assert done.stdout.splitlines() == ["first   reuse    nothing changed", "second  run      input line changed: two → x"]
    assert [step["action"] for step in copying.json("plan", "p", "--no-cache")["steps"]] == ["run", "run"]


def test_an_arrow_that_the_locale_lacks_does_not_matter(copying: Any) -> None:
    copying.mlops("run", "p")
    done = copying.mlops("plan", "p", "--set", "line=x", variables={"PYTHONIOENCODING": "latin-1"})
    assert "two \\u2192 x" in done.stdout


def test_metrics_that_are_no_numbers_are_valid_json(copying: Any) -> None:
    run = copying.json("run", "p")["run"]
    store = copying.store()
    store.database.write("UPDATE steps SET metrics = ? WHERE name = 'first'", ['{"loss": NaN, "up": Infinity, "f1": 0.5}'])
    store.close()

    def refuse(word: str) -> None:
        raise ValueError(word)

    shown = json.loads(copying.mlops("runs", "show", run, "--json").stdout, parse_constant=refuse)
    assert shown["steps"][0]["metrics"] == {"loss": "nan", "up": "inf", "f1": 0.5}
    assert "metric first: loss = nan" in copying.mlops("runs", "show").stdout


# --- copies of outputs -----------------------------------------------------------------------------------------------


def test_an_output_is_copied_out_and_replaces_a_whole_folder(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "echo ${{inputs.n}} > ${{outputs.out}}/x", inputs={"n": "integer"}, outputs={"out": "uri_folder"})
    shop.pipeline(
        {"c": ("c", {"n": "${{parent.inputs.n}}"})}, inputs={"n": 1}, outputs={"out": "${{parent.jobs.c.outputs.out}}"}
    )
    target = shop.root / "kept/best"
    done = shop.mlops("run", "p", "--output", "out=kept/best")
    assert done.stdout == f"out: {target}\n"
    (target / "stale").touch()
    assert shop.json("run", "p", "--set", "n=2", "--output", f"out={target}")["outputs"]["out"]["copied_to"] == str(target)
    assert [path.name for path in target.iterdir()] == ["x"]
    assert (target / "x").read_text() == "2\n"
    assert [path.name for path in target.parent.iterdir()] == ["best"]


@pytest.mark.parametrize("target", [".", "..", "/", "{root}", ".mlops/runs", "~", "kept/../.."])
def test_a_folder_that_holds_more_than_an_output_is_not_replaced(target: str, copying: Any) -> None:
    target = os.path.expanduser(target.format(root=copying.root))
    done = copying.mlops("run", "p", "--output", f"result={target}", expect=2)
    assert "would replace" in done.stderr or "is in the project's .mlops folder" in done.stderr
    assert not (copying.root / ".mlops/runs").exists()
    assert (copying.root / "data/in.txt").exists()


@pytest.mark.parametrize(("output", "there", "words"), [
    ("folder", "kept.txt", "is a file\n  why: the output is a uri_folder"),
    ("file", "kept", "is a folder\n  why: the output is a uri_file"),
    ("file", "pipe", "is neither a file nor a folder"),
])  # fmt: skip
def test_an_output_takes_the_place_of_nothing_of_another_kind(output: str, there: str, words: str, project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "touch ${{outputs.folder}}/x ${{outputs.file}}", outputs={"folder": "uri_folder", "file": "uri_file"})
    job = {"component": "../components/c/component.yml", "outputs": {name: f"${{{{parent.outputs.{name}}}}}" for name in ("folder", "file")}}
    shop.pipeline({"c": job}, outputs={"folder": {"type": "uri_folder"}, "file": {"type": "uri_file"}})
    (shop.root / "out/kept").mkdir(parents=True)
    (shop.root / "out/kept/x").touch()
    (shop.root / "out/kept.txt").touch()
    os.mkfifo(shop.root / "out/pipe")
    assert words in shop.mlops("run", "p", "--output", f"{output}=out/{there}", expect=2).stderr
    assert not (shop.root / ".mlops/runs").exists()


def test_a_folder_with_other_things_in_it_is_not_replaced(copying: Any) -> None:
    notes = copying.root / "notes"
    notes.mkdir()
    (notes / "mine.txt").write_text("mine")
    done = copying.mlops("run", "p", "--output", "result=notes", expect=2)
    assert "would replace a folder in which no run has put an output\n  why: a folder is replaced whole" in done.stderr
    assert (notes / "mine.txt").read_text() == "mine"
    assert not (copying.root / ".mlops/runs").exists()


def test_a_copy_that_fails_is_said_and_the_result_is_kept(copying: Any) -> None:
    (copying.root / "file").touch()
    done = copying.mlops("run", "p", "--output", "result=file/deep/x", expect=1)
    assert "the output could not be copied to" in done.stderr
    assert copying.json("run", "p")["steps"]["second"]["status"] == "reused"


# --- past runs -------------------------------------------------------------------------------------------------------


def test_past_runs_are_listed_shown_and_read(copying: Any) -> None:
    assert "no run yet" in copying.mlops("runs", "list").stderr
    assert copying.json("runs", "list") == []
    assert "no run of 'q' yet; start one: mlops run q" in copying.mlops("runs", "list", "--pipeline", "q").stderr
    first = copying.json("run", "p")["run"]
    second = copying.json("run", "p", "--set", "line=3")["run"]
    assert [run["run"] for run in copying.json("runs", "list")] == [second, first]
    assert copying.mlops("runs", "list", "-n", "1", "--pipeline", "p").stdout.split()[:7] == [
        "RUN",
        "PIPELINE",
        "ON",
        "STATUS",
        "STARTED",
        "TOOK",
        second,
    ]
    shown = copying.mlops("runs", "show", first).stdout
    assert f"{first}: p, completed, started " in shown
    assert "output result: .mlops/artifacts/" in shown
    assert [step["status"] for step in copying.json("runs", "show", second)["steps"]] == ["reused", "completed"]
    assert "is the beginning of several runs" in copying.mlops("runs", "show", "p-", expect=2).stderr
    assert (
        f"run {second} has no step 'secnd'\n  fix: did you mean 'second'?"
        in copying.mlops("runs", "logs", "latest", "secnd", expect=2).stderr
    )


def test_logs_are_printed_as_they_are(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "printf 'caf\\xe9\\x00\\n'; echo two")
    shop.pipeline({"c": "c"})
    shop.run()
    with shop.start("runs", "logs", "latest", "c", text=False) as process:
        assert process.communicate()[0] == b"caf\xe9\x00\ntwo\n"
    assert shop.mlops("runs", "logs", text=True, errors="replace").stdout.startswith("==> c\n")
    (shop.root / ".mlops/runs").joinpath(shop.json("runs", "list")[0]["run"], "c.log").unlink()
    assert "is gone" in shop.mlops("runs", "logs").stderr


def test_a_reader_that_goes_away_is_no_error(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "yes 0123456789 | head -c 3000000")
    shop.pipeline({"c": "c"})
    shop.run()
    command = f"set -o pipefail; {sys.executable} -m mlops_lib runs logs | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=shop.root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (141, "==> c\n", "")
    command = f"{sys.executable} -m mlops_lib run p --no-cache 2>&1 >/dev/null | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=shop.root, capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout.endswith("\n141\n")
    assert done.stderr == ""
    assert shop.json("runs", "list")[0]["status"] == "canceled"


def test_a_run_is_resumed_with_its_values_by_a_part_of_its_name(copying: Any) -> None:
    copying.write("data/in.txt", "one\n")
    good = (copying.root / "components/add/component.yml").read_text()
    copying.component(
        "add",
        ": ${{inputs.before}} ${{inputs.line}} ${{outputs.out}}; exit 1",
        inputs={"before": "uri_folder", "line": "string"},
        outputs={"out": "uri_file"},
    )
    failed = json.loads(
        copying.mlops("run", "p", "--set", "line=nine", "--output", "result=out.txt", "--json", expect=1).stdout
    )
    assert "resume" in failed["errors"][0]
    copying.write("components/add/component.yml", good)
    resumed = copying.json("runs", "resume", failed["run"][:-2])
    assert {name: step["status"] for name, step in resumed["steps"].items()} == {"first": "reused", "second": "completed"}
    assert (copying.root / "out.txt").read_text() == "one\nnine\n"
    assert lines(copying.root / "count") == 1


def test_a_run_from_python_cannot_be_resumed_here(copying: Any) -> None:
    copying.run()
    store = copying.store()
    store.database.write("UPDATE runs SET request = ?", ['{"python": "p"}'])
    store.close()
    for arguments in (["runs", "resume"], ["step", "latest", "first"]):
        assert "was started from Python" in copying.mlops(*arguments, expect=2).stderr


# --- one step again --------------------------------------------------------------------------------------------------


def test_one_step_runs_again_with_the_inputs_of_a_past_run(copying: Any) -> None:
    past = copying.json("run", "p", "--set", "line=then")["run"]
    before = copying.json("runs", "show", past)
    copying.write("data/in.txt", "newer\n")
    copying.json("run", "p")
    document = json.loads((copying.root / "pipelines/p.yml").read_text())
    document["inputs"]["line"] = "now"
    copying.write("pipelines/p.yml", json.dumps(document))
    done = copying.mlops("step", past, "second")
    assert "$ cat " in done.stderr
    assert "second: started" in done.stderr
    assert "note:" not in done.stderr
    assert (copying.root / done.stdout.split(": ")[1].strip()).read_text() == "one\nthen\n"
    assert copying.json("runs", "show", past) == before
    again = copying.json("runs", "show")
    assert again["request"]["step"] == "second"
    assert [step["reason"] for step in again["steps"]] == [f"asked for, with the inputs of {past}"]
    # A run of one step stands for the run that it was taken from, and can be asked for again.
    assert copying.json("step", "latest", "first")["steps"]["first"]["status"] == "completed"
    one = copying.json("runs", "show")["run"]
    assert copying.json("runs", "resume", one)["steps"]["first"]["status"] == "completed"
    assert copying.json("runs", "show")["request"]["of"] == past
    # The latest run to go on with is that of the pipeline: a step that was tried again does not hide it.
    resumed = copying.json("runs", "resume")
    assert list(resumed["steps"]) == ["first", "second"]
    assert copying.json("runs", "show")["request"]["values"] == {"line": "then"}


def test_a_failed_step_runs_again_with_the_code_of_now_and_says_what_differs(copying: Any) -> None:
    ports = {"inputs": {"before": "uri_folder", "line": "string"}, "outputs": {"out": "uri_file"}}
    copying.component(
        "add", "bash code.sh ${{inputs.before}} ${{inputs.line}} ${{outputs.out}}", code={"code.sh": "exit 3"}, **ports
    )
    copying.mlops("run", "p", expect=1)
    assert "exited with code 3" in copying.mlops("step", "latest", "second", expect=1).stderr
    copying.component(
        "add",
        "bash code.sh ${{inputs.before}} ${{inputs.line}} ${{outputs.out}}",
        **ports,
        code={"code.sh": "echo printed; cat $1/in.txt > $3"},
    )
    done = copying.mlops("step", "latest", "second")
    assert re.search(r"note: not as in p-\S+: code changed\n", done.stderr)
    assert "second | printed" in done.stderr
    assert copying.json("run", "p")["steps"]["second"]["status"] == "reused", "what it made is as good as a run's"


def test_external_data_that_changed_since_is_said(copying: Any) -> None:
    copying.mlops("run", "p")
    copying.write("data/in.txt", "changed\n")
    done = copying.mlops("step", "latest", "first")
    assert ": input raw changed\n" in done.stderr


def test_a_step_that_cannot_run_again_says_why(copying: Any) -> None:
    past = copying.json("run", "p")
    assert f"run {past['run']} has no step 'thrid'" in copying.mlops("step", "latest", "thrid", expect=2).stderr
    artifact = Path(past["outputs"]["result"]["path"])
    store = copying.store()
    first = store.folder / store.records.steps(past["run"])[0].outputs["out"].path
    store.close()
    first.parent.chmod(0o755)
    first.chmod(0o755)
    (first / "in.txt").unlink()
    done = copying.mlops("step", "latest", "second", expect=2)
    assert "input 'before' of step 'second' is gone, or damaged: output 'out' of step 'first'" in done.stderr
    assert f"fix: make it first: mlops runs resume {past['run']}" in done.stderr
    assert artifact.exists()


# --- assets ----------------------------------------------------------------------------------------------------------


def test_assets_are_listed_and_shown(copying: Any) -> None:
    for word in ("data", "models"):
        assert f"no {word} yet" in copying.mlops(word, "list").stderr
        assert copying.json(word, "list") == []
    document = json.loads((copying.root / "pipelines/p.yml").read_text())
    document["outputs"] = {"result": {"type": "uri_file", "name": "table"}}
    document["jobs"]["second"]["outputs"] = {"out": "${{parent.outputs.result}}"}
    copying.write("pipelines/p.yml", json.dumps(document))
    assert "(table:1)" in copying.mlops("run", "p").stdout
    run = copying.json("run", "p", "--set", "line=3")
    assert run["outputs"]["result"]["asset"] == "table:2"
    assert copying.mlops("data", "list").stdout.splitlines()[1].split()[:3] == ["table", "2", "uri_file"]
    for name in ("table", "table:2", "table@latest", "azureml:table@latest"):
        shown = copying.json("data", "show", name)
        assert (shown["version"], shown["versions"], shown["run"]) == ("2", ["2", "1"], run["run"])
    assert Path(copying.json("data", "show", "table:1")["path"]).read_text() == "one\ntwo\n"
    assert f"step second of run {run['run']}" in copying.mlops("data", "show", "table").stdout
    assert "has no version '7'" in copying.mlops("data", "show", "table:7", expect=2).stderr
    for arguments in (("data", "show", "table@latst"), ("runs", "show", "lates")):
        assert "did you mean 'latest'?" in copying.mlops(*arguments, expect=2).stderr


# --- completion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script_and_the_names_of_pipelines_runs_and_steps(shell: str, copying: Any) -> None:
    def ask(**variables: str) -> str:
        # The program's name is what the variable is named after: start it as the shell does.
        done = subprocess.run(
            [str(Path(sys.executable).with_name("mlops"))],
            cwd=copying.root,
            capture_output=True,
            text=True,
            env=copying.environment(**variables),
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.stdout

    def complete(words: str) -> str:
        return ask(
            _MLOPS_COMPLETE=f"{shell}_complete",
            COMP_WORDS=words,
            COMP_CWORD=words.rpartition(" ")[2] if shell == "fish" else str(len(words.split(" ")) - 1),
        )

    assert Path(sys.executable).with_name("mlops").exists(), "the project is to be installed, not only importable"
    assert "_MLOPS_COMPLETE" in ask(_MLOPS_COMPLETE=f"{shell}_source")
    assert re.search(r"\bp\b", complete("mlops run p"))
    assert "resume" in complete("mlops runs r")
    run = copying.run().id
    assert run in complete("mlops runs show p-")
    assert "second" in complete("mlops runs logs latest s")
    assert "second" in complete("mlops step latest s")


def test_an_output_never_replaces_what_stands_for_a_datastore(copying: Any) -> None:
    copying.write("lake/x", "kept")
    copying.write("mlops.yml", "datastores: {raw: lake}\n")
    assert "would replace" in copying.mlops("run", "p", "--output", "result=lake", expect=2).stderr
    assert (copying.root / "lake/x").read_text() == "kept"


@pytest.mark.parametrize("target", ["components", "components/x", "pipelines", "data", "data/in.txt", ".git/x", "."])
def test_an_output_never_replaces_what_the_project_is_made_of(target: str, copying: Any) -> None:
    (copying.root / ".git").mkdir()
    before = {path: path.read_bytes() for path in copying.root.rglob("*") if path.is_file() and ".mlops" not in path.parts}
    done = copying.mlops("run", "p", "--output", f"result={target}", expect=2)
    assert "would replace" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_the_path_that_is_proposed_for_an_output_can_be_pasted(copying: Any) -> None:
    there = copying.root / "pipelines"
    assert "result=../out/result\n" in copying.mlops("run", "p", "--output", "result=o", cwd=there, expect=2).stderr
    copying.write("my results/mine", "kept")
    said = copying.mlops("run", "p", "--output", "result=my results", expect=2).stderr
    assert f"--output 'result={copying.root}/my results/result'; or remove" in said


def test_a_copy_that_fails_is_told_in_the_json_too(copying: Any) -> None:
    copying.write("file", "x")
    done = copying.mlops("run", "p", "--output", "result=file/below", "--json", expect=1)
    assert "could not be copied" in json.loads(done.stdout)["errors"][0]


def test_wrong_input_is_json_too_when_json_is_asked_for(copying: Any) -> None:
    done = copying.mlops("run", "nope", "--json", expect=2)
    [error] = json.loads(done.stdout)["errors"]  # one text an error, as those of a run that failed
    assert error == done.stderr.rstrip("\n")
    assert error.startswith("no pipeline 'nope'\n  why: ")


def test_a_path_means_that_file_even_when_it_was_rendered(copying: Any) -> None:
    path = copying.root / "pipelines" / "p.yml"
    text = path.read_text()
    path.write_text("# Written by 'mlops export p --write'. Remove this line to keep changes made by hand.\n" + text)
    assert copying.json("run", "pipelines/p.yml")["status"] == "completed"
