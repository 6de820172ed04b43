import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.engines import Event, RunStarted, StepFinished, StepPrinted, StepStarted
from mlops_lib.engines.local.engine import LocalEngine, cores
from mlops_lib.engines.local.process import FreshProcess, Invocation, Process
from mlops_lib.errors import InputError, JobError, RunError
from mlops_lib.plan import Action
from mlops_lib.project import Project
from mlops_lib.stores.records import Status

WAIT_FOR = "for i in $(seq 4000); do test -e {0} && break; sleep 0.05; done; test -e {0}"


def statuses(run: Any) -> dict[str, str]:
    return {name: step.status.value for name, step in run.steps.items()}


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def printed(shop: Any, step: str) -> list[str]:
    return [line for event in shop.events if isinstance(event, StepPrinted) and event.step == step for line in event.lines]


def run_with(shop: Any, listener: Callable[[Event], None], **options: Any) -> Any:
    project = Project(shop.root)
    job, name, catalogue = project.load("p")
    return project.run(job, name, catalogue, request={}, listener=listener, **options)


def test_how_a_process_is_started_is_chosen_for_each_step(copying: Any) -> None:
    class Noting(FreshProcess):
        def __init__(self) -> None:
            super().__init__()
            self.commands: list[str] = []

        def launch(self, invocation: Invocation) -> Process:
            self.commands.append(invocation.command)
            return super().launch(invocation)

    project = Project(copying.root)
    job, name, catalogue = project.load("p")
    store = project.store()
    noting = Noting()
    try:
        plan, ground = project.plan(job, name, store, catalogue)
        engine = LocalEngine(store, ground, launcher_for=lambda step: noting if step.name == "second" else None)
        run = engine.submit(plan, request={})
    finally:
        noting.close()
        store.close()
    assert run.succeeded
    assert noting.commands == [run.steps["second"].command]


def test_an_output_that_is_not_there_says_why(copying: Any) -> None:
    run = copying.run()
    with pytest.raises(InputError, match="no output 'resutl'\\n  fix: did you mean 'result'"):
        run.outputs["resutl"]
    copying.component("add", "exit 3 # ${{outputs.out}}", inputs={"before": "uri_folder", "line": "string"}, outputs={"out": "uri_file"})
    failed = copying.run()
    with pytest.raises(JobError, match="because it failed\\n  why: step 'second' exited with code 3"):
        failed.outputs["result"]


# --- results ---------------------------------------------------------------------------------------------------------


def test_a_pipeline_runs_and_is_told_in_order(copying: Any) -> None:
    run = copying.run()
    assert run.succeeded
    assert run.outputs["result"].path.read_text() == "one\ntwo\n"
    assert run.outputs["result"].type == "uri_file"
    told = [type(event).__name__ + (f" {event.step}" if hasattr(event, "step") else "") for event in copying.events]
    assert told == ["RunStarted", "StepStarted first", "StepFinished first", "StepStarted second", "StepFinished second"]
    step = run.steps["second"]
    assert step.exit_code == 0
    assert step.waits == ("first",)
    assert step.command.startswith("cat ")
    store = copying.store()
    assert store.records.run(run.id).status is Status.COMPLETED
    assert store.records.steps(run.id) == list(run.steps.values())
    store.close()
    assert sorted(path.name for path in (copying.root / ".mlops/work").iterdir()) == []


def test_nothing_changed_nothing_runs(copying: Any) -> None:
    first = copying.run()
    again = copying.run()
    assert statuses(again) == {"first": "reused", "second": "reused"}
    assert again.steps["first"].reason == f"nothing changed since {first.id}"
    assert again.outputs == first.outputs
    assert lines(copying.root / "count") == 1


def test_an_edited_input_runs_again_and_a_reverted_one_does_not(copying: Any) -> None:
    copying.run()
    copying.write("data/in.txt", "ONE\n")
    edited = copying.run()
    assert edited.steps["first"].reason == "input raw changed"
    assert edited.outputs["result"].path.read_text() == "ONE\ntwo\n"
    copying.write("data/in.txt", "one\n")
    reverted = copying.run()
    assert statuses(reverted) == {"first": "reused", "second": "reused"}
    assert reverted.outputs["result"].path.read_text() == "one\ntwo\n"
    assert lines(copying.root / "count") == 2


def test_a_step_that_makes_the_same_again_keeps_what_follows_from_running(project: Callable[..., Any]) -> None:
    shop = project()
    shop.write("data", "a\nb\n")
    shop.component(
        "head", "head -1 ${{inputs.raw}} > ${{outputs.out}}", inputs={"raw": "uri_file"}, outputs={"out": "uri_file"}
    )
    shop.component("copy", "cp ${{inputs.x}} ${{outputs.out}}", inputs={"x": "uri_file"}, outputs={"out": "uri_file"})
    shop.pipeline(
        {
            "head": ("head", {"raw": {"type": "uri_file", "path": "../data"}}),
            "copy": ("copy", {"x": "${{parent.jobs.head.outputs.out}}"}),
        }
    )
    shop.run()
    shop.write("data", "a\nc\n")
    assert statuses(shop.run()) == {"head": "completed", "copy": "reused"}


def test_a_component_that_is_not_deterministic_runs_every_time(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("now", "date +%s%N > ${{outputs.out}}", outputs={"out": "uri_file"}, is_deterministic=False)
    shop.component("copy", "cp ${{inputs.x}} ${{outputs.out}}", inputs={"x": "uri_file"}, outputs={"out": "uri_file"})
    shop.pipeline({"now": "now", "copy": ("copy", {"x": "${{parent.jobs.now.outputs.out}}"})})
    for _ in range(2):
        assert statuses(shop.run()) == {"now": "completed", "copy": "completed"}


def test_without_the_cache_all_runs_and_what_it_makes_is_used_next_time(copying: Any) -> None:
    copying.run()
    fresh = copying.run(reuse=False)
    assert statuses(fresh) == {"first": "completed", "second": "completed"}
    assert copying.run().outputs["result"].path == fresh.outputs["result"].path
    assert lines(copying.root / "count") == 2


def test_the_same_step_under_a_thousand_names_runs_once_and_one_step_can_read_them_all(project: Callable[..., Any]) -> None:
    shop = project()
    names = [f"s{n:03}" for n in range(1000)]
    shop.component("one", f"echo x >> {shop.root}/count; echo 1 > ${{{{outputs.out}}}}/x", outputs={"out": "uri_folder"})
    shop.component(
        "all",
        f"cat {' '.join('${{inputs.' + name + '}}/x' for name in names)} > ${{{{outputs.out}}}}",
        inputs=dict.fromkeys(names, "uri_folder"),
        outputs={"out": "uri_file"},
    )
    shop.pipeline(
        dict.fromkeys(names, "one") | {"all": ("all", {name: f"${{{{parent.jobs.{name}.outputs.out}}}}" for name in names})},
        outputs={"out": "${{parent.jobs.all.outputs.out}}"},
    )
    run = shop.run()
    assert run.succeeded, run.errors
    assert lines(run.outputs["out"].path) == 1000
    assert lines(shop.root / "count") == 1
    assert sorted(statuses(run).values()).count("reused") == 999
    begun = time.process_time()
    again = shop.run()
    assert time.process_time() - begun < 5
    assert set(statuses(again).values()) == {"reused"}


def test_named_outputs_become_assets_once(project: Callable[..., Any]) -> None:
    shop = project()
    shop.write("data", "a")
    shop.component(
        "fit",
        "cp ${{inputs.raw}} ${{outputs.model}}/MLmodel; cp ${{inputs.raw}} ${{outputs.table}}/t",
        inputs={"raw": "uri_file"},
        outputs={"model": "mlflow_model", "table": "uri_folder"},
    )
    shop.pipeline(
        {
            "fit": {
                "component": "../components/fit/component.yml",
                "inputs": {"raw": {"type": "uri_file", "path": "../data"}},
                "outputs": {"model": "${{parent.outputs.best}}", "table": {"name": "table"}},
            }
        },
        outputs={"best": {"type": "mlflow_model", "name": "best"}},
    )
    assert shop.run().outputs["best"].asset == "best:1"
    assert shop.run().outputs["best"].asset == "best:1"
    shop.write("data", "b")
    assert shop.run().outputs["best"].asset == "best:2"
    store = shop.store()
    assert [record.version for record in store.assets.versions("data", "table")] == ["2", "1"]
    assert store.assets.find("model", "best", "1").step == "fit"
    store.close()


def test_a_version_that_exists_with_other_content_fails_the_run_and_keeps_the_steps(project: Callable[..., Any]) -> None:
    shop = project()
    shop.write("data", "a")
    shop.component("copy", "cp ${{inputs.raw}} ${{outputs.out}}", inputs={"raw": "uri_file"}, outputs={"out": "uri_file"})
    shop.pipeline(
        {
            "copy": {
                "component": "../components/copy/component.yml",
                "inputs": {"raw": {"type": "uri_file", "path": "../data"}},
                "outputs": {"out": {"name": "d", "version": "1"}},
            }
        }
    )
    assert shop.run().succeeded
    shop.write("data", "b")
    run = shop.run()
    assert not run.succeeded
    assert "has a version '1' with other content" in run.errors[0]
    assert statuses(run) == {"copy": "completed"}


# --- at once ---------------------------------------------------------------------------------------------------------


def meeting(shop: Any) -> Any:
    """Two steps that each wait until the other has started."""
    root = shop.root
    shop.component(
        "meet",
        f"touch {root}/${{{{inputs.me}}}}; {WAIT_FOR.format(f'{root}/${{{{inputs.other}}}}')}",
        inputs={"me": "string", "other": "string"},
    )
    shop.pipeline({"a": ("meet", {"me": "A", "other": "B"}), "b": ("meet", {"me": "B", "other": "A"})})
    return shop


def test_independent_steps_run_at_once(project: Callable[..., Any]) -> None:
    assert meeting(project()).run(jobs=2).succeeded


def test_one_job_at_a_time_is_one_after_the_other(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component(
        "c",
        f"echo in >> {shop.root}/order; sleep 0.05; echo out >> {shop.root}/order; echo ${{{{inputs.n}}}}",
        inputs={"n": "integer"},
    )
    shop.pipeline({f"s{n}": ("c", {"n": n}) for n in range(4)})
    assert shop.run(jobs=1).succeeded
    assert (shop.root / "order").read_text() == "in\nout\n" * 4


def test_the_longest_step_of_last_time_starts_first(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "sleep ${{inputs.s}}; echo ${{inputs.s}}", inputs={"s": "number"})
    shop.pipeline({"short": ("c", {"s": 0}), "long": ("c", {"s": 0.3})})
    shop.run(jobs=1)
    shop.run(jobs=1, reuse=False)
    assert [event.step for event in shop.events if isinstance(event, StepStarted)] == ["long", "short"]


def test_the_cores_are_shared_by_the_steps_that_run_at_once(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("threads", "echo ${{inputs.n}}: $OMP_NUM_THREADS", inputs={"n": "string"})
    shop.component("own", "echo $OMP_NUM_THREADS", environment_variables={"OMP_NUM_THREADS": "77"})
    shop.pipeline({"a": ("threads", {"n": "x"})})
    shop.run()
    assert printed(shop, "a") == [f"x: {cores()}"]
    shop.pipeline({"a": ("threads", {"n": "x"}), "b": ("threads", {"n": "y"}), "c": "own"})
    shop.run(jobs=2)  # a is reused, and takes no share
    assert printed(shop, "b") == [f"y: {max(1, cores() // 2)}"]
    assert printed(shop, "c") == ["77"]
    shop.pipeline({"b": ("threads", {"n": "z"}), "c": "own"})
    shop.run(jobs=2)
    assert printed(shop, "b") == [f"z: {cores()}"]


# --- failures --------------------------------------------------------------------------------------------------------


def failing(shop: Any, **settings: Any) -> Any:
    shop.component("fail", "echo before; echo the reason >&2; exit 7; ${{outputs.out}}", outputs={"out": "uri_file"})
    shop.component(
        "fine", f"{WAIT_FOR.format(f'{shop.root}/failed')}; echo fine > ${{{{outputs.out}}}}", outputs={"out": "uri_file"}
    )
    shop.component("need", "cp ${{inputs.x}} ${{outputs.out}}", inputs={"x": "uri_file"}, outputs={"out": "uri_file"})
    shop.component(
        "may",
        "echo got $[[${{inputs.x}}]] > ${{outputs.out}}",
        inputs={"x": {"type": "uri_file", "optional": True}},
        outputs={"out": "uri_file"},
    )
    shop.pipeline(
        {
            "fail": "fail",
            "fine": "fine",
            "after_fine": ("need", {"x": "${{parent.jobs.fine.outputs.out}}"}),
            "needs_it": ("need", {"x": "${{parent.jobs.fail.outputs.out}}"}),
            "further": ("need", {"x": "${{parent.jobs.needs_it.outputs.out}}"}),
            "may_use_it": ("may", {"x": "${{parent.jobs.fail.outputs.out}}"}),
        },
        **settings,
    )
    return shop


def touch_when_failed(shop: Any) -> Callable[[Event], None]:
    def listener(event: Event) -> None:
        shop.events.append(event)
        if isinstance(event, StepFinished) and event.step == "fail":
            (shop.root / "failed").touch()

    return listener


def test_other_branches_go_on_when_a_step_fails_and_an_optional_input_is_left_out(project: Callable[..., Any]) -> None:
    shop = failing(project())
    run = run_with(shop, touch_when_failed(shop), jobs=2)
    assert statuses(run) == {
        "fail": "failed",
        "fine": "completed",
        "after_fine": "completed",
        "needs_it": "skipped",
        "further": "skipped",
        "may_use_it": "completed",
    }
    assert run.status is Status.FAILED
    assert run.steps["further"].reason == "needs_it did not finish"
    store = shop.store()
    assert {step.name: step.status.value for step in store.records.steps(run.id)} == statuses(run)
    stored = run.steps["may_use_it"].outputs["out"]
    assert (store.folder / stored.path).read_text() == "got\n"
    store.close()
    (error,) = run.errors
    assert error.startswith("step 'fail' exited with code 7\n  why: the end of its log, ")
    assert "\n  | before\n  | the reason\n" in error
    assert error.endswith(f"go on with: mlops runs resume {run.id}")


def test_the_others_are_stopped_when_the_pipeline_says_so(project: Callable[..., Any]) -> None:
    shop = failing(project(), settings={"continue_on_step_failure": False})
    begun = time.monotonic()
    run = shop.run(jobs=2)
    assert time.monotonic() - begun < 100, "fine would wait for two hundred seconds"
    assert statuses(run) == {
        "fail": "failed",
        "fine": "canceled",
        "after_fine": "skipped",
        "needs_it": "skipped",
        "further": "skipped",
        "may_use_it": "skipped",
    }
    assert run.status is Status.FAILED
    assert len(run.errors) == 1


def test_a_step_over_its_time_is_ended_with_all_it_started(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("slow", f"sleep 600 & echo $! > {shop.root}/child; (sleep 600; true); true")
    shop.pipeline({"slow": {"component": "../components/slow/component.yml", "limits": {"timeout": 2}}})
    begun = time.monotonic()
    run = shop.run()
    assert time.monotonic() - begun < 200
    assert run.errors[0].startswith("step 'slow' ran longer than its limit of 2.0 s")
    child = int((shop.root / "child").read_text())
    assert any(not lives(child) or time.sleep(0.02) for _ in range(5000))


def test_an_output_that_is_never_written_fails_the_step_and_stores_nothing(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component(
        "c", ": ${{outputs.a}} ${{outputs.b}} ${{outputs.c}}", outputs={"a": "uri_file", "b": "mlflow_model", "c": "uri_folder"}
    )
    shop.pipeline({"c": "c"})
    run = shop.run()
    assert run.errors[0].startswith("step 'c' never wrote its outputs a, b")
    assert not (shop.root / ".mlops/artifacts").exists()
    assert statuses(shop.run()) == {"c": "failed"}


def test_an_output_that_cannot_be_kept_fails_the_step(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "ln -s nowhere ${{outputs.a}}/link", outputs={"a": "uri_folder"})
    shop.pipeline({"c": "c"})
    run = shop.run()
    assert run.errors[0].startswith("step 'c' wrote a link that leads nowhere: link -> nowhere")
    assert statuses(run) == {"c": "failed"}


def test_a_step_that_writes_into_its_input_changes_a_copy(copying: Any) -> None:
    copying.component(
        "copy",
        "echo spoiled >> ${{inputs.raw}}/in.txt; cp ${{inputs.raw}}/in.txt ${{outputs.out}}/in.txt",
        inputs={"raw": "uri_folder", "count": "string"},
        outputs={"out": "uri_folder"},
    )
    run = copying.run()
    assert run.outputs["result"].path.read_text() == "one\nspoiled\ntwo\n"
    assert (copying.root / "data/in.txt").read_text() == "one\n"


def test_an_input_that_changes_under_a_step_fails_it(project: Callable[..., Any]) -> None:
    shop = project()
    shop.write("data/x", "x")
    shop.component(
        "c",
        "echo y >> ${{inputs.raw}}/x; cp ${{inputs.raw}}/x ${{outputs.out}}",
        inputs={"raw": {"type": "uri_folder", "mode": "direct"}},
        outputs={"out": "uri_file"},
    )
    shop.pipeline({"c": ("c", {"raw": {"type": "uri_folder", "path": "../data"}})})
    run = shop.run()
    assert run.errors[0].startswith("step 'c' had its input raw changed while it ran")
    assert statuses(run) == {"c": "failed"}


def test_code_that_is_edited_while_the_run_is_at_work_counts_from_the_next_run_on(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component(
        "wait", f"{WAIT_FOR.format(f'{shop.root}/edited')}; echo > ${{{{outputs.out}}}}", outputs={"out": "uri_file"}
    )
    shop.component(
        "work",
        "bash code.sh; cp ${{inputs.x}} ${{outputs.out}}",
        inputs={"x": "uri_file"},
        outputs={"out": "uri_file"},
        code={"code.sh": "echo old\n"},
    )
    shop.pipeline({"wait": "wait", "work": ("work", {"x": "${{parent.jobs.wait.outputs.out}}"})})

    def edit(event: Event) -> None:
        shop.events.append(event)
        if isinstance(event, StepStarted) and event.step == "wait":
            shop.write("components/work/src/code.sh", "echo new\n")
            (shop.root / "edited").touch()

    assert run_with(shop, edit).succeeded
    assert printed(shop, "work") == ["old"]
    run = shop.run()
    assert (run.steps["work"].reason, printed(shop, "work")) == ("code changed", ["new"])
    shop.write("components/work/src/code.sh", "echo old\n")
    assert statuses(shop.run())["work"] == "reused"


def test_code_that_is_edited_between_plan_and_start_stops_the_run_before_it_begins(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "bash code.sh", code={"code.sh": "echo old\n"})
    shop.pipeline({"c": "c"})
    project_ = Project(shop.root)
    job, name, catalogue = project_.load("p")
    store = shop.store()
    plan, ground = project_.plan(job, name, store, catalogue)
    shop.write("components/c/src/code.sh", "echo new\n")
    with pytest.raises(RunError, match="the code of step 'c' was changed while the run was starting"):
        LocalEngine(store, ground).submit(plan, request={})
    assert store.records.runs() == []
    store.close()
    assert list((shop.root / ".mlops/work").iterdir()) == []


def test_an_error_of_the_listener_stops_the_steps_and_comes_out(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("slow", "sleep 600; true")
    shop.pipeline({"a": "slow"})

    def listener(event: Event) -> None:
        if isinstance(event, StepStarted):
            raise ZeroDivisionError("mine")

    begun = time.monotonic()
    with pytest.raises(ZeroDivisionError, match="mine"):
        run_with(shop, listener)
    assert time.monotonic() - begun < 200
    store = shop.store()
    (record,) = store.records.runs()
    assert record.status is Status.FAILED
    assert [step.status for step in store.records.steps(record.id)] == [Status.CANCELED]
    store.close()


def test_a_run_may_be_started_from_any_thread(copying: Any) -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(copying.run())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.succeeded for run in found] == [True] * 3
    assert lines(copying.root / "count") == 1


def test_data_that_does_not_exist_is_a_mistake_and_no_run(copying: Any) -> None:
    (copying.root / "data/in.txt").unlink()
    (copying.root / "data").rmdir()
    with pytest.raises(InputError):
        copying.run()
    assert not list((copying.root / ".mlops").glob("runs/*"))


# --- what steps print and leave --------------------------------------------------------------------------------------


def test_what_a_step_prints_is_told_while_it_runs(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", f"echo first; {WAIT_FOR.format(f'{shop.root}/heard')}; printf 'no end'")
    shop.pipeline({"c": "c"})

    def listener(event: Event) -> None:
        shop.events.append(event)
        if isinstance(event, StepPrinted) and "first" in event.lines:
            (shop.root / "heard").touch()

    assert run_with(shop, listener).succeeded
    assert printed(shop, "c") == ["first", "no end"]


def test_a_hundred_megabytes_and_bytes_that_are_no_text_do_no_harm(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component(
        "c", "yes 0123456789012345678901234567890123456789 | head -c 100000000; head -c 300000 /dev/urandom; echo end"
    )
    shop.pipeline({"c": "c"})
    run = shop.run()
    assert run.succeeded
    assert (shop.root / ".mlops" / run.steps["c"].log).stat().st_size == 100_300_004
    assert any("end" in line for line in printed(shop, "c"))
    assert any("left out here" in line for line in printed(shop, "c"))


def test_a_background_process_that_holds_the_log_does_not_hold_the_run(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "sleep 600 & echo done")
    shop.pipeline({"c": "c"})
    begun = time.monotonic()
    assert shop.run().succeeded
    assert time.monotonic() - begun < 200
    assert printed(shop, "c") == ["done"]


def test_outputs_and_logs_are_kept_with_the_run_also_when_the_step_fails(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "echo plot > outputs/plot.png; mkdir -p logs/deep; echo log > logs/deep/x; exit 1")
    shop.pipeline({"c": "c"})
    run = shop.run()
    side = shop.root / ".mlops/runs" / run.id / "c"
    assert (side / "outputs/plot.png").read_text() == "plot\n"
    assert (side / "logs/deep/x").read_text() == "log\n"


def test_a_nested_pipelines_steps_have_names_with_dots(project: Callable[..., Any]) -> None:
    shop = project()
    shop.write("data", "x\n")
    shop.component(
        "copy",
        "cat ${{inputs.x}}; cp ${{inputs.x}} ${{outputs.out}}; touch outputs/side",
        inputs={"x": "uri_file"},
        outputs={"out": "uri_file"},
    )
    shop.write(
        "components/inner/component.yml",
        """
type: pipeline
name: inner
inputs: {x: {type: uri_file}}
outputs: {out: {type: uri_file}}
jobs:
  log: {type: command, component: ../copy/component.yml, inputs: {x: "${{parent.inputs.x}}"}}
  last: {type: command, component: ../copy/component.yml, inputs: {x: "${{parent.jobs.log.outputs.out}}"},
         outputs: {out: "${{parent.outputs.out}}"}}
""",
    )
    shop.pipeline(
        {
            "outer": {
                "type": "pipeline",
                "component": "../components/inner/component.yml",
                "inputs": {"x": {"type": "uri_file", "path": "../data"}},
            }
        }
    )
    run = shop.run()
    assert run.succeeded, run.errors
    assert list(run.steps) == ["outer.log", "outer.last"]
    assert printed(shop, "outer.last") == ["x"]
    assert (shop.root / ".mlops/runs" / run.id / "outer.log/outputs/side").exists()


def test_steps_get_the_runs_variables(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component(
        "c",
        "echo $AZUREML_RUN_ID $AZUREML_ROOT_RUN_ID; echo $AZUREML_PARAMETER_n $MINE; pwd; ls",
        inputs={"n": "number"},
        environment_variables={"MINE": "${{inputs.n}}"},
        code={"a.sh": ""},
    )
    shop.pipeline({"c": ("c", {"n": 1.5})}, experiment_name="trials")
    assert shop.run().succeeded
    ids, values, folder, *files = printed(shop, "c")
    assert len(set(ids.split())) == 2
    assert values == "1.5 ${{inputs.n}}", "Azure ML leaves these as they are"
    assert folder.endswith("/exe/wd")
    assert files == ["a.sh", "logs", "outputs"]


@pytest.mark.parametrize("name", ["with spaces", "ümläut", 'it\'s "quoted"', "$HOME", "a&b;c", "(x)*?"])
def test_a_project_may_live_anywhere(name: str, project: Callable[..., Any]) -> None:
    shop = project(name)
    shop.write("data/in file.txt", "text\n")
    shop.component(
        "copy",
        "cp -r ${{inputs.raw}}/. ${{outputs.out}}; pwd; bash code.sh ${{inputs.raw}}",
        inputs={"raw": "uri_folder"},
        outputs={"out": "uri_folder"},
        code={"code.sh": "cat $1/in*"},
    )
    shop.component("again", "cp -r ${{inputs.x}}/. ${{outputs.out}}", inputs={"x": "uri_folder"}, outputs={"out": "uri_folder"})
    shop.pipeline(
        {
            "copy": ("copy", {"raw": {"type": "uri_folder", "path": "../data"}}),
            "again": ("again", {"x": "${{parent.jobs.copy.outputs.out}}"}),
        },
        outputs={"out": "${{parent.jobs.again.outputs.out}}"},
    )
    run = shop.run()
    assert run.succeeded, run.errors
    assert printed(shop, "copy")[1:] == ["text"]
    assert (run.outputs["out"].path / "in file.txt").read_text() == "text\n"
    assert statuses(shop.run()) == {"copy": "reused", "again": "reused"}


def test_the_plan_that_a_run_starts_with_is_told(copying: Any) -> None:
    copying.run()
    copying.run(values={"line": "three"})
    (started,) = (event for event in copying.events if isinstance(event, RunStarted))
    assert started.plan.count(Action.REUSE) == 1
    assert copying.events[-1].record.reason == "input line changed: two → three"
