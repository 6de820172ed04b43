"""Outputs that name a path: where they land, when, and what stays."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from mlops_lib.errors import CompileError, InputError
from mlops_lib.project import Project
from mlops_lib.stores.records import Status


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    yield system
    for path in system.ls("/", detail=False):
        system.rm(path, recursive=True)


@pytest.fixture
def shop(project: Callable[..., Any]) -> Any:
    """``make`` writes the file ``NAME`` with a text into its output, or fails when the text is ``fail``."""
    made = project()
    made.component("make", 'echo ${{inputs.text}} > ${{outputs.out}}/${{inputs.name}}; test ${{inputs.text}} != fail',
                   inputs={"text": "string", "name": "string"}, outputs={"out": "uri_folder"})  # fmt: skip
    made.component("file", "echo ${{inputs.text}} > ${{outputs.out}}", inputs={"text": "string"},
                   outputs={"out": "uri_file"})  # fmt: skip
    made.component("read", "cat ${{inputs.d}}/a > ${{outputs.out}}", inputs={"d": "uri_folder"},
                   outputs={"out": "uri_file"})  # fmt: skip
    return made


def mapped(shop: Any, **datastores: str) -> None:
    shop.write("mlops.yml", json.dumps({"datastores": datastores}))


def making(shop: Any, path: Any, text: str = "one", name: str = "a", **more: Any) -> Any:
    inputs = {"text": "${{parent.inputs.text}}", "name": "${{parent.inputs.name}}"}
    shop.pipeline(
        {"s": {"component": "../components/make/component.yml", "inputs": inputs, "outputs": {"out": {"path": path}}}},
        inputs={"text": text, "name": name}, outputs={}, **more,
    )  # fmt: skip
    return shop


def shown(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


TRIAL = """
import json, os, sys, urllib.request
told = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": float(sys.argv[1]), "timestamp": 1, "step": 0}
urllib.request.urlopen(urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(told).encode(),
    {"Content-Type": "application/json"})).read()
open(sys.argv[2] + "/x", "w").write(sys.argv[1])
"""
STEP = "azureml://datastores/lake/paths/${{name}}/${{output_name}}"


def test_an_output_lands_in_the_folder_of_its_datastore(shop: Any) -> None:
    mapped(shop, lake="lake")
    run = making(shop, STEP).run()
    assert run.succeeded
    assert shown(shop.root / "lake") == {"s/out/a": "one\n"}
    assert Project(shop.root).validate() == ()
    assert (shop.root / "lake/s/out/a").stat().st_mode & 0o200, "it is the user's own now"


def test_a_reused_step_lands_what_it_made_when_that_is_not_there(shop: Any) -> None:
    mapped(shop, lake="lake")
    making(shop, STEP).run()
    before = (shop.root / "lake/s/out").stat().st_ino
    assert shop.run().steps["s"].status is Status.REUSED
    assert (shop.root / "lake/s/out").stat().st_ino == before, "it was there already"
    (shop.root / "lake/s/out/a").write_text("spoilt")
    assert shop.run().steps["s"].status is Status.REUSED
    assert shown(shop.root / "lake") == {"s/out/a": "one\n"}
    making(shop, "azureml://datastores/lake/paths/elsewhere")
    assert shop.run().steps["s"].status is Status.REUSED, "a place is no part of what a step is"
    assert shown(shop.root / "lake/elsewhere") == {"a": "one\n"}


def test_what_else_is_in_the_folder_stays(shop: Any) -> None:
    mapped(shop, lake="lake")
    shop.write("lake/days/deep/kept", "kept")
    (shop.root / "lake/days/link").symlink_to("deep")
    shop.write("lake/days/a", "old")
    path = "azureml://datastores/lake/paths/days"
    making(shop, path).run()
    making(shop, path, "two", "b").run()
    assert shown(shop.root / "lake/days") == {"a": "one\n", "b": "two\n", "deep/kept": "kept"}
    assert os.readlink(shop.root / "lake/days/link") == "deep"
    assert sorted(path.name for path in (shop.root / "lake").iterdir()) == ["days"], "nothing is left beside it"


def test_a_step_that_fails_lands_nothing(shop: Any) -> None:
    mapped(shop, lake="lake")
    shop.write("lake/s/out/a", "old")
    assert not making(shop, STEP, "fail").run().succeeded
    assert shown(shop.root / "lake") == {"s/out/a": "old"}


def test_a_file_lands_under_the_path_or_in_the_folder_that_is_named(shop: Any) -> None:
    mapped(shop, lake="lake")
    for path in ("azureml://datastores/lake/paths/x.csv", "azureml://datastores/lake/paths/in/"):
        shop.pipeline({"f": {"component": "../components/file/component.yml", "inputs": {"text": "one"},
                             "outputs": {"out": {"type": "uri_file", "path": path}}}})  # fmt: skip
        assert shop.run().succeeded
    assert shown(shop.root / "lake") == {"in/out": "one\n", "x.csv": "one\n"}


@pytest.mark.parametrize(
    ("chosen", "datastore"), [({}, "workspaceblobstore"), ({"default_datastore": "azureml:lake"}, "lake")]
)
def test_the_default_datastore_is_that_of_the_pipeline(chosen: dict[str, str], datastore: str, shop: Any) -> None:
    mapped(shop, lake="lake")
    making(shop, "azureml://datastores/${{default_datastore}}/paths/x", settings=chosen).run()
    place = "lake" if datastore == "lake" else ".mlops/datastores/workspaceblobstore"
    assert shown(shop.root / place) == {"x/a": "one\n"}


def test_outputs_of_the_pipeline_and_of_pipelines_in_it_land_too(shop: Any) -> None:
    mapped(shop, lake="lake")
    inner = {
        "type": "pipeline", "name": "inner", "outputs": {"made": {"type": "uri_folder"}},
        "jobs": {"m": {"type": "command", "component": "../make/component.yml", "inputs": {"text": "one", "name": "a"},
                       "outputs": {"out": "${{parent.outputs.made}}"}}},
    }  # fmt: skip
    shop.write("components/inner/component.yml", json.dumps(inner))
    shop.pipeline(
        {
            "n": {"type": "pipeline", "component": "../components/inner/component.yml",
                  "outputs": {"made": {"path": "azureml://datastores/lake/paths/nested/${{name}}/${{output_name}}"}}},
            "s": {"component": "../components/make/component.yml", "inputs": {"text": "two", "name": "b"},
                  "outputs": {"out": "${{parent.outputs.all}}"}},
        },
        outputs={"all": {"type": "uri_folder", "path": "azureml://datastores/lake/paths/${{name}}-${{output_name}}"}},
    )  # fmt: skip
    run = shop.run()
    assert shown(shop.root / "lake") == {"nested/n.m/made/a": "one\n", "s-all/b": "two\n"}
    assert run.outputs["all"].landed == (str(shop.root / "lake/s-all"),)
    assert shop.json("run", "p")["outputs"]["all"]["landed"] == [str(shop.root / "lake/s-all")]
    assert "all: lake/s-all\n" in shop.mlops("run", "p").stdout


def test_the_output_of_a_sweep_lands_once_it_has_a_winner(shop: Any) -> None:
    mapped(shop, lake="lake")
    shop.component("try", f"{sys.executable} try.py ${{{{inputs.x}}}} ${{{{outputs.out}}}}", inputs={"x": "integer"},
                   outputs={"out": "uri_folder"}, code={"try.py": TRIAL})  # fmt: skip
    shop.pipeline({"find": {
        "type": "sweep", "trial": "../components/try/component.yml", "sampling_algorithm": "grid",
        "search_space": {"x": {"type": "choice", "values": [3, 1, 2]}}, "limits": {"max_total_trials": 3},
        "objective": {"goal": "minimize", "primary_metric": "loss"},
        "outputs": {"out": {"type": "uri_folder", "path": STEP}},
    }})  # fmt: skip
    assert shop.run().succeeded
    assert shown(shop.root / "lake") == {"find/out/x": "1"}


def test_what_a_later_run_reads_where_an_earlier_one_landed_is_new(shop: Any) -> None:
    mapped(shop, lake="lake")
    making(shop, "azureml://datastores/lake/paths/days")
    shop.pipeline({"r": ("read", {"d": {"type": "uri_folder", "path": "azureml://datastores/lake/paths/days"}})}, name="q",
                  outputs={"out": "${{parent.jobs.r.outputs.out}}"})  # fmt: skip
    for text in ("one", "two"):
        assert shop.run("p", {"text": text}).succeeded
        assert shop.run("q").outputs["out"].path.read_text() == f"{text}\n"
        assert shop.run("q").steps["r"].status is Status.REUSED


# --- stores ----------------------------------------------------------------------------------------------------------


def test_an_output_lands_in_a_store_once(memory: Any, shop: Any) -> None:
    memory.pipe("/lake/days/kept", b"kept")
    mapped(shop, lake="memory://lake")
    making(shop, "azureml://datastores/lake/paths/days").run()
    assert {path: memory.cat(path) for path in memory.find("/lake")} == {"/lake/days/a": b"one\n", "/lake/days/kept": b"kept"}
    before = memory.info("/lake/days/a")["created"]
    assert shop.run().steps["s"].status is Status.REUSED
    assert memory.info("/lake/days/a")["created"] == before
    memory.pipe("/lake/days/a", b"spoilt")
    shop.run()
    assert memory.cat("/lake/days/a") == b"one\n"


def test_a_url_of_a_store_is_a_place_too(memory: Any, shop: Any) -> None:
    assert making(shop, "memory://lake/${{name}}").run().succeeded
    assert memory.cat("/lake/s/a") == b"one\n"


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("azureml://datastores/other/paths/x", "the datastore 'other' is not mapped"),
        ("azureml://datastores/lake/paths/", "an output cannot go to all of the datastore 'lake'"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_anything_runs(path: str, words: str, shop: Any) -> None:
    mapped(shop, lake="lake")
    with pytest.raises(InputError, match=words) as caught:
        making(shop, path).run()
    assert "pipelines/p.yml:1:" in str(caught.value.place)
    assert not (shop.root / ".mlops/artifacts").exists()


@pytest.mark.parametrize(
    "path", ["./out", "/srv/out", "https://example.org/out", "azureml:out:1", "azureml://registries/r/data/d/versions/1"]
)
def test_a_path_that_azure_ml_cannot_write_to_is_a_finding(path: str, shop: Any) -> None:
    found = Project(making(shop, path).root).validate()
    assert [finding.code for finding in found] == ["bad-output-path"]
    with pytest.raises(CompileError):
        shop.run()


def test_a_place_outside_of_the_datastore_is_a_finding(shop: Any) -> None:
    mapped(shop, lake="lake")
    [finding] = Project(making(shop, "azureml://datastores/lake/paths/../x").root).validate()
    assert finding.code == "bad-reference"
    (shop.root / "elsewhere").mkdir()
    (shop.root / "lake").mkdir()
    (shop.root / "lake/link").symlink_to("../elsewhere")
    with pytest.raises(InputError, match="is a link out of its folder"):
        making(shop, "azureml://datastores/lake/paths/link/x").run()
    assert list((shop.root / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("place", ["days", "days/deep", "days/deep/er"])
def test_an_output_does_not_go_where_the_run_reads(place: str, shop: Any) -> None:
    mapped(shop, lake="lake")
    shop.write("lake/days/deep/a", "one")
    shop.component("copy", "cp -r ${{inputs.d}}/. ${{outputs.out}}", inputs={"d": "uri_folder"},
                   outputs={"out": "uri_folder"})  # fmt: skip
    shop.pipeline({"c": {"component": "../components/copy/component.yml",
                         "inputs": {"d": {"type": "uri_folder", "path": "../lake/days/deep"}},
                         "outputs": {"out": {"path": f"azureml://datastores/lake/paths/{place}"}}}})  # fmt: skip
    with pytest.raises(InputError, match=r"which the run reads as '../lake/days/deep'"):
        shop.run()


def test_two_outputs_do_not_go_to_one_place(shop: Any) -> None:
    mapped(shop, lake="lake")
    made = {"component": "../components/make/component.yml", "outputs": {"out": {"path": "azureml://datastores/lake/paths/x"}}}
    shop.pipeline({"s": made | {"inputs": {"text": "one", "name": "a"}}, "t": made | {"inputs": {"text": "two", "name": "b"}}})
    with pytest.raises(InputError, match="output 'out' of job 's' and output 'out' of job 't' go to one place"):
        shop.run()


def test_a_folder_does_not_take_the_place_of_a_file_and_the_rest_of_the_run_counts(shop: Any) -> None:
    mapped(shop, lake="lake")
    shop.write("lake/x", "a file")
    run = making(shop, "azureml://datastores/lake/paths/x").run()
    assert run.status is Status.FAILED
    assert run.steps["s"].status is Status.COMPLETED
    assert "there is a file at" in run.errors[0]
    assert (shop.root / "lake/x").read_text() == "a file"
    (shop.root / "lake/x").unlink()
    assert shop.run().steps["s"].status is Status.REUSED
    assert shown(shop.root / "lake") == {"x/a": "one\n"}


def test_a_kill_at_any_moment_leaves_the_old_or_the_new(shop: Any) -> None:
    mapped(shop, lake="lake")
    for number in range(300):
        shop.write(f"lake/s/out/kept-{number}", "kept")
    shop.component("make", "for i in $(seq 300); do echo ${{inputs.text}} > ${{outputs.out}}/$i; done",
                   inputs={"text": "string", "name": "string"}, outputs={"out": "uri_folder"})  # fmt: skip
    making(shop, STEP)
    process = shop.start("run", "p")
    while process.poll() is None and not list((shop.root / "lake/s").glob(".out.*")):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.002)
    process.kill()
    process.communicate()
    assert len(shown(shop.root / "lake/s/out")) in (0, 300, 600), "0: between its two renames"
    assert shop.run().succeeded
    assert len(shown(shop.root / "lake/s/out")) == 600
    assert [path.name for path in (shop.root / "lake/s").iterdir()] == ["out"]
