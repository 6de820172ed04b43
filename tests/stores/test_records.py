import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import InputError
from mlops_lib.plan import StoredOutput
from mlops_lib.stores.database import Database
from mlops_lib.stores.locks import exclusive
from mlops_lib.stores.records import Assets, Records, RunRecord, Status, StepRecord, TrialRecord
from mlops_lib.sweep import Goal


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    database = Database(tmp_path)
    (tmp_path / "locks").mkdir()
    yield Records(database, tmp_path)
    database.close()


@pytest.fixture
def assets(records: Records) -> Assets:
    return Assets(records.database)


def run(name: str, started: float = 1.0, **more: Any) -> RunRecord:
    return RunRecord(id=name, **{"pipeline": "p", "status": Status.COMPLETED, "started": started, "request": {}} | more)


def step(name: str = "s", **more: Any) -> StepRecord:
    return StepRecord(run="r", name=name, **{"position": 0, "status": Status.COMPLETED} | more)


def output(digest: str = "d") -> StoredOutput:
    return StoredOutput(path=f"artifacts/{digest}", digest=digest, type="uri_folder", size=3)


def test_a_run_is_read_as_it_was_written(records: Records) -> None:
    record = run(
        "r", request={"pipeline": "p", "values": {"a": "b"}}, ended=2.0, outputs={"o": output()}, error="e", mlflow_run="m"
    )
    records.save_run(record)
    assert records.run("r") == record
    records.save_run(dataclasses.replace(record, error=""))
    assert records.run("r").error == ""


def test_a_step_is_read_as_it_was_written_not_a_number_included(records: Records) -> None:
    record = step(
        reason="w",
        fingerprint="f",
        started=1.0,
        seconds=2.0,
        peak_memory=3,
        exit_code=4,
        log="l",
        outputs={"o": output()},
        metrics={"loss": 0.5, "none": math.inf},
        params={"a": "b"},
        command="c",
        waits=("x", "y"),
    )
    records.save_steps([record, step("nan", position=1, metrics={"loss": math.nan})])
    first, second = records.steps("r")
    assert first == record
    assert math.isnan(second.metrics["loss"])


def test_a_run_is_found_by_its_name_its_beginning_and_as_the_latest(records: Records) -> None:
    for number, name in enumerate(["train-1", "train-2", "score-1"]):
        records.save_run(run(name, float(number)))
    assert [records.run(name).id for name in ("train-2", "s", "latest", "")] == ["train-2", "score-1", "score-1", "score-1"]
    with pytest.raises(InputError, match="'train' is the beginning of several runs"):
        records.run("train")
    with pytest.raises(InputError, match="no run 'trian-1'") as caught:
        records.run("trian-1")
    assert caught.value.fix == "did you mean 'train-1'?"
    assert [found.id for found in records.runs(2)] == ["score-1", "train-2"]


def test_percent_signs_and_quotes_are_no_patterns(records: Records) -> None:
    records.save_run(run("train-1"))
    for name in ("%", "_rain-1", "'; DROP TABLE runs; --"):
        with pytest.raises(InputError):
            records.run(name)


def test_without_a_run_the_message_says_how_to_start_one(records: Records) -> None:
    with pytest.raises(InputError) as caught:
        records.run("latest")
    assert str(caught.value).endswith("fix: start one: mlops run PIPELINE")


def test_a_run_whose_process_died_was_interrupted_and_so_were_its_steps(records: Records) -> None:
    records.save_run(run("r", status=Status.RUNNING))
    records.save_steps([step("a"), step("b", status=Status.RUNNING, position=1)])
    with exclusive(records.lock_of("r")):
        assert records.run("r").status is Status.RUNNING
        assert [s.status for s in records.steps("r")] == [Status.COMPLETED, Status.RUNNING]
    assert records.run("r").status is Status.INTERRUPTED
    assert [s.status for s in records.steps("r")] == [Status.COMPLETED, Status.INTERRUPTED]


def test_a_result_is_found_by_its_fingerprint(records: Records) -> None:
    done = step(
        fingerprint="f", seconds=2.0, outputs={"o": output()}, metrics={"m": 1.0}, params={"p": "q"}, log="runs/r/s.log"
    )
    records.begin(dataclasses.replace(done, status=Status.RUNNING), "p", {"command": "c"})
    assert records.lookup("f") is None
    assert records.history("p", "s") == {"command": "c"}, "also when it fails"
    records.store(done, "p", reusable=True)
    stored = records.lookup("f")
    assert stored is not None
    assert (stored.outputs, stored.metrics, stored.params, stored.run, stored.log) == (
        done.outputs,
        done.metrics,
        done.params,
        "r",
        "runs/r/s.log",
    )
    assert records.history("p", "s") == records.parts("f") == {"command": "c"}
    assert records.typical_seconds("p") == {"s": 2.0}
    assert records.typical_seconds("other") == {}


def test_what_must_not_be_reused_is_history_all_the_same(records: Records) -> None:
    done = step(fingerprint="f", seconds=2.0)
    records.begin(done, "p", {"command": "c"})
    records.store(done, "p", reusable=False)
    assert records.lookup("f") is None
    assert records.history("p", "s") == {"command": "c"}


def test_versions_are_numbered_and_the_same_content_again_is_the_same_version(assets: Assets) -> None:
    def register(digest: str) -> str:
        return assets.register("model", "best", None, output(digest), run="r", step="s").version

    assert [register(digest) for digest in "aabba"] == ["1", "1", "2", "2", "3"]
    assert [record.version for record in assets.versions("model", "best")] == ["3", "2", "1"]
    assert assets.find("model", "best", "latest").digest == "a"
    assert assets.find("model", "best", "2").digest == "b"


def test_a_version_never_changes(assets: Assets) -> None:
    assert assets.register("data", "d", "2026.1", output("a"), run="r", step="s").version == "2026.1"
    assert assets.register("data", "d", "2026.1", output("a"), run="r2", step="s").run == "r"
    with pytest.raises(InputError, match=r"has a version '2026.1' with other content"):
        assets.register("data", "d", "2026.1", output("b"), run="r", step="s")
    assert assets.register("data", "d", None, output("b"), run="r", step="s").version == "1"


def test_an_asset_that_is_not_there_is_named(assets: Assets) -> None:
    with pytest.raises(InputError, match="no model 'best' is registered here"):
        assets.find("model", "best", "latest")
    assets.register("model", "best", None, output(), run="r", step="s")
    with pytest.raises(InputError, match="has no version '7'"):
        assets.find("model", "best", "7")
    with pytest.raises(InputError) as caught:
        assets.find("model", "bset", "latest")
    assert caught.value.fix == "did you mean 'best'?"
    assert [record.name for record in assets.latest("model")] == ["best"]
    assert assets.latest("data") == []


def trial(number: int, run: str = "r", **more: Any) -> TrialRecord:
    told = {"sweep": "s", "step": f"s.trial_{number}", "parameters": {"x": str(number)}, "metric": "loss", "goal": Goal.MINIMIZE}
    return TrialRecord(run=run, number=number, **(told | more))


def test_a_run_elsewhere_is_read_as_it_was_written(records: Records) -> None:
    there = run("r", stage="dev", url="https://x/r", landed={"a": "azureml://datastores/raw/paths/a/", "b": "x"})
    records.save_run(there)
    assert records.run("r") == there
    assert records.runs() == [there]


def test_the_nodes_of_a_run_are_its_steps_without_trials(records: Records) -> None:
    records.save_run(run("r"))
    records.save_steps([step("a"), step("a.trial_0", position=1)])
    records.save_trial(TrialRecord(run="r", sweep="a", number=0, step="a.trial_0", parameters={}, metric="m", goal=Goal.MINIMIZE))
    assert [found.name for found in records.nodes("r")] == ["a"]


def test_a_trial_is_read_as_it_was_written(records: Records) -> None:
    told = trial(3, curve=(0.5, 0.25, math.inf), stopped=True)
    records.save_trial(trial(3))
    records.save_trial(told)
    records.save_trial(trial(0, sweep="other", goal=Goal.MAXIMIZE, curve=(0.5, 0.25), best=True))
    assert records.trials("r", "s") == [told]
    assert [found.sweep for found in records.trials("r")] == ["other", "s"]
    assert [found.objective for found in records.trials("r")] == [0.5, 0.25]
    assert records.trials("another") == []
    assert trial(1).objective is None


def test_the_trials_of_a_sweep_follow_it_by_number(records: Records) -> None:
    names = ["s.trial_10", "s", "s.trial_2", "s.trial_1"]
    records.save_steps([step("later", position=1), *map(step, names)])
    assert [found.name for found in records.steps("r")] == ["s", "s.trial_1", "s.trial_2", "s.trial_10", "later"]


def test_the_trials_of_the_last_run_of_the_same_sweep_are_found(records: Records) -> None:
    for number, (name, fingerprint) in enumerate([("old", "f"), ("new", "f"), ("other", "g"), ("without", "f")]):
        records.save_run(run(name, started=float(number)))
        records.save_steps([dataclasses.replace(step("s", fingerprint=fingerprint), run=name)])
        if name != "without":
            records.save_trial(trial(0, name))
    assert [found.run for found in records.trials_before("f", "now")] == ["new"]
    assert [found.run for found in records.trials_before("f", "new")] == ["old"]
    assert records.trials_before("h", "now") == []


def test_a_result_has_a_curve_when_a_trial_for_that_metric_left_it(records: Records) -> None:
    done = step("s.trial_1", fingerprint="f", outputs={"o": output()})
    records.store(done, "p", reusable=True)
    stored = records.lookup("f")
    assert stored is not None
    assert records.curve(stored, "loss") is None
    records.save_trial(trial(1, curve=(2.0, 1.0)))
    assert records.curve(stored, "loss") == (2.0, 1.0)
    assert records.curve(stored, "accuracy") is None
