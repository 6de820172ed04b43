"""Pipelines whose data is elsewhere, run on this machine: real steps, a real web server, a store in memory."""

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import fsspec
import pytest

from mlops_lib.errors import CompileError, InputError
from mlops_lib.plan import Action
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
    """A project whose pipeline ``p`` copies its input ``d`` to its output ``out``; see `reading`."""
    made = project()
    for type_, command in (
        ("uri_folder", "cp -r ${{inputs.d}}/. ${{outputs.out}}"),
        ("uri_file", "cp ${{inputs.d}} ${{outputs.out}}/file; basename ${{inputs.d}} > ${{outputs.out}}/name"),
    ):
        made.component(type_, command, inputs={"d": type_}, outputs={"out": "uri_folder"})
    made.component("say", "echo ${{inputs.d}} > ${{outputs.out}}; env | grep _d= >> ${{outputs.out}}",
                   inputs={"d": "uri_file"}, outputs={"out": "uri_file"})  # fmt: skip
    return made


def reading(shop: Any, path: str, type_: str = "uri_folder", component: str = "", **more: Any) -> Any:
    shop.pipeline(
        {"s": {"component": f"../components/{component or type_}/component.yml", "inputs": {"d": "${{parent.inputs.d}}"}}},
        inputs={"d": {"type": type_, "path": path} | more},
        outputs={"out": "${{parent.jobs.s.outputs.out}}"},
    )
    return shop


def settings(shop: Any, **values: Any) -> None:
    shop.write("mlops.yml", json.dumps(values))


def out(run: Any) -> dict[str, str]:
    folder = run.outputs["out"].path
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def status(run: Any, step: str = "s") -> Status:
    found: Status = run.steps[step].status
    return found


def plan(shop: Any) -> tuple[Action, str]:
    project = Project(shop.root)
    job, name, catalogue = project.load("p")
    store = project.store()
    try:
        step = project.plan(job, name, store, catalogue)[0].steps["s"]
    finally:
        store.close()
    return step.action, step.reason


def refused(shop: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        shop.run()
    return caught.value


# --- the web ---------------------------------------------------------------------------------------------------------


def test_a_file_of_the_web_is_an_input_and_its_content_decides_about_reuse(web: Any, shop: Any) -> None:
    web.put("/day/x.csv", b"one", etag='"1"')
    reading(shop, f"{web.url}/day/x.csv", "uri_file")
    assert out(shop.run()) == {"file": "one", "name": "x.csv\n"}
    assert status(shop.run()) is Status.REUSED
    web.put("/day/x.csv", b"one", etag='"2"')
    assert status(shop.run()) is Status.REUSED, "another mark, the same bytes"
    web.put("/day/x.csv", b"two", etag='"3"')
    assert plan(shop) == (Action.RUN, "input d changed")
    assert out(shop.run())["file"] == "two"
    web.put("/day/x.csv", b"one", etag='"4"')
    assert status(shop.run()) is Status.REUSED


def test_a_run_goes_on_without_the_network_and_says_so(web: Any, shop: Any) -> None:
    web.put("/x.csv", b"one", etag='"1"')
    reading(shop, f"{web.url}/x.csv", "uri_file")
    shop.run()
    web.put("/x.csv", b"two", failures=[500] * 3)
    run = shop.run()
    assert status(run) is Status.REUSED
    assert "used as it was at" in run.notices[0]


def test_what_is_not_there_is_told_with_the_place_that_names_it(web: Any, shop: Any) -> None:
    error = refused(reading(shop, f"{web.url}/x.csv", "uri_file"))
    assert "does not exist" in error.what
    column = (shop.root / "pipelines/p.yml").read_text().index('"http') + 1
    assert str(error.place).endswith(f"pipelines/p.yml:1:{column}")


def test_a_folder_port_takes_no_file_of_the_web(shop: Any) -> None:
    error = refused(reading(shop, "https://example.org/x"))
    assert "is one file, and the input is a uri_folder" in error.what
    [finding] = Project(shop.root).validate()
    assert (finding.code, finding.severity.value) == ("wrong-form", "warning")


def test_a_signature_is_in_no_record_no_message_and_no_log(web: Any, shop: Any) -> None:
    web.put("/x.csv", b"one", etag='"1"')
    reading(shop, "x", "uri_file", "say", mode="direct")
    shop.write("pipelines/x", "local")
    url = f"{web.url}/x.csv?sig=hidden"
    done = shop.mlops("run", "p", "--set", f"d={url}")
    assert "hidden" not in done.stdout + done.stderr
    [made] = (shop.root / ".mlops/artifacts").glob("*/*/out")
    assert f"{url}\n" in made.read_text(), "the step itself needs it"
    held = [path for path in (shop.root / ".mlops").rglob("*") if path.is_file() and path != made]
    assert [str(path) for path in held if b"hidden" in path.read_bytes()] == []
    again = shop.mlops("runs", "resume", expect=2)
    assert "whose signature was not kept" in again.stderr
    [finding] = Project(reading(shop, url, "uri_file").root).validate()
    assert finding.code == "secret"
    assert "hidden" not in str(finding)


def test_ctrl_c_in_a_download_leaves_nothing(web: Any, shop: Any) -> None:
    web.put("/x.csv", b"whole" * 1000, failures=["hang"])
    reading(shop, f"{web.url}/x.csv", "uri_file")
    process = shop.start("run", "p")
    assert web.hanging.wait(120)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    assert list((shop.root / ".mlops/downloads").glob("*/*")) == []


def test_two_runs_at_once_download_once(web: Any, shop: Any) -> None:
    web.put("/x.csv", b"one", etag='"1"')
    reading(shop, f"{web.url}/x.csv", "uri_file")
    processes = [shop.start("run", "p") for _ in range(2)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(status for _, _, status in web.asked) == [200, 304]


# --- datastores ------------------------------------------------------------------------------------------------------

LONG = "azureml://subscriptions/1-2/resourcegroups/rg/workspaces/ws/datastores/raw/paths/day"


@pytest.mark.parametrize("path", ["azureml://datastores/raw/paths/day", "azureml://datastores/raw/paths/day/", LONG])
def test_a_datastore_is_the_folder_that_it_is_mapped_to(path: str, shop: Any) -> None:
    shop.write("lake/day/x", "one")
    settings(shop, datastores={"raw": "lake"})
    reading(shop, path)
    assert Project(shop.root).validate() == ()
    assert out(shop.run()) == {"x": "one"}
    assert status(shop.run()) is Status.REUSED
    shop.write("lake/day/x", "two")
    assert plan(shop) == (Action.RUN, "input d changed")


def test_a_datastore_may_be_a_store(memory: Any, shop: Any) -> None:
    memory.pipe({"/lake/raw/day/x": b"one", "/lake/raw/day/deep/y": b"two"})
    settings(shop, datastores={"raw": "memory://lake/raw"})
    reading(shop, "azureml://datastores/raw/paths/day")
    assert out(shop.run()) == {"deep/y": "two", "x": "one"}
    assert status(shop.run()) is Status.REUSED
    memory.pipe("/lake/raw/day/x", b"three")
    assert plan(shop) == (Action.RUN, "input d changed")
    assert out(shop.run())["x"] == "three"
    reading(shop, "azureml://datastores/raw/paths/day/x")
    assert "is a file, and the input is a uri_folder" in refused(shop).what
    reading(shop, "azureml://datastores/raw/paths/night")
    assert "'memory://lake/raw/night' does not exist" in refused(shop).what


def test_the_workspace_s_own_datastore_needs_no_mapping(shop: Any) -> None:
    shop.write(".mlops/datastores/workspaceblobstore/day/x", "one")
    assert out(reading(shop, "azureml://datastores/workspaceblobstore/paths/day").run()) == {"x": "one"}


@pytest.mark.parametrize(
    ("path", "what", "fix"),
    [
        ("azureml://datastores/raw/paths/day", "the datastore 'raw' is not mapped", "datastores: {raw: FOLDER}"),
        ("azureml://registries/r/data/d/versions/1", "the registry 'r' is not on this machine", "registries: {r: FOLDER}"),
        (
            "azureml://subscriptions/1/resourceGroups/rg/workspaces/ws/data/d/versions/1",
            "the workspace 'ws' is not on this machine",
            "workspaces: {ws: FOLDER}",
        ),
    ],
)
def test_what_is_not_mapped_is_told_with_the_line_that_is_missing(path: str, what: str, fix: str, shop: Any) -> None:
    assert Project(reading(shop, path).root).validate() == ()
    error = refused(shop)
    assert what in error.what
    assert fix in error.fix
    assert error.place is not None


def test_nothing_leads_out_of_a_mapped_folder(shop: Any) -> None:
    shop.write("lake/day/x", "one")
    shop.write("secret/x", "no")
    settings(shop, datastores={"raw": "lake"})
    with pytest.raises(CompileError, match="leads out of its datastore"):
        reading(shop, "azureml://datastores/raw/paths/../secret").run()
    (shop.root / "lake/day/link").symlink_to("../../secret")
    assert "is a link out of its folder" in refused(reading(shop, "azureml://datastores/raw/paths/day")).what
    assert "is a link out of its folder" in refused(reading(shop, "azureml://datastores/raw/paths/day/link")).what


# --- assets ----------------------------------------------------------------------------------------------------------


def test_a_data_asset_is_found_in_the_project_s_own_files(web: Any, shop: Any) -> None:
    for version in ("9", "10"):
        shop.write(f"rows/{version}/x", version)
        shop.write(f"data/days-{version}.yml", json.dumps({
            "name": "days", "version": version, "type": "uri_folder", "path": f"../rows/{version}"}))  # fmt: skip
    shop.write("data/notes.yml", "just: data\n")
    assert out(reading(shop, "azureml:days:9").run()) == {"x": "9"}
    assert out(reading(shop, "azureml:days@latest").run()) == {"x": "10"}
    assert "no data 'days' is registered" in refused(reading(shop, "azureml:days:11")).what
    web.put("/x.csv", b"one")
    shop.write("data/web.yml", json.dumps({"name": "web", "version": "1", "type": "uri_file", "path": f"{web.url}/x.csv"}))
    assert out(reading(shop, "azureml:web:1", "uri_file").run())["file"] == "one"
    shop.write("data/loop.yml", json.dumps({"name": "loop", "version": "1", "type": "uri_file", "path": "azureml:loop:1"}))
    assert "is another asset" in refused(reading(shop, "azureml:loop:1", "uri_file")).what


def test_a_registered_asset_is_found_when_no_file_has_that_version(shop: Any) -> None:
    shop.write("rows/x", "one")
    reading(shop, "../rows")
    document = json.loads((shop.root / "pipelines/p.yml").read_text())
    document["outputs"] = {"out": {"name": "days", "version": "7"}}
    document["jobs"]["s"]["outputs"] = {"out": "${{parent.outputs.out}}"}
    shop.write("pipelines/p.yml", json.dumps(document))
    shop.run()
    shop.write("data/days.yml", json.dumps({"name": "days", "version": "1", "type": "uri_folder", "path": "../rows"}))
    shop.write("rows/x", "two")
    assert out(reading(shop, "azureml:days:7").run()) == {"x": "one"}
    assert out(reading(shop, "azureml:days:1").run()) == {"x": "two"}


def test_assets_of_a_mapped_registry_are_data_models_components_and_environments(shop: Any) -> None:
    shop.write("vendor/data/days/1/x", "one")
    shop.write("vendor/data/days/2/x.csv", "two")
    shop.write("vendor/models/best/3/MLmodel", "model")
    settings(shop, registries={"r": "vendor"}, workspaces={"ws": "vendor"})
    assert out(reading(shop, "azureml://registries/r/data/days/versions/1").run()) == {"x": "one"}
    assert out(reading(shop, "azureml://registries/r/data/days/labels/latest", "uri_file").run())["name"] == "x.csv\n"
    workspace = "azureml://subscriptions/1/resourceGroups/rg/workspaces/ws"
    assert out(reading(shop, f"{workspace}/models/best/versions/3").run()) == {"MLmodel": "model"}
    assert "has no data/days/4" in refused(reading(shop, "azureml://registries/r/data/days/versions/4")).what
    assert "is no data" in refused(reading(shop, "azureml://registries/r/components/days/versions/4")).what


def test_a_component_of_a_mapped_registry_compiles_and_runs(shop: Any) -> None:
    shop.write("rows/x", "one")
    folder = "vendor/components/count/1.0"
    shop.write(f"{folder}/src/count.sh", "wc -c < $1/x > $2\n")
    shop.write(f"{folder}/component.yml", json.dumps({
        "type": "command", "name": "count", "version": "1.0", "code": "src",
        "command": "bash count.sh ${{inputs.d}} ${{outputs.out}}/n",
        "environment": "azureml://registries/r/environments/e/labels/latest",
        "inputs": {"d": {"type": "uri_folder"}}, "outputs": {"out": {"type": "uri_folder"}}}))  # fmt: skip
    reading(shop, "../rows")
    document = json.loads((shop.root / "pipelines/p.yml").read_text())

    def naming(reference: str) -> None:
        document["jobs"]["s"]["component"] = reference
        shop.write("pipelines/p.yml", json.dumps(document))

    naming("azureml://registries/r/components/count/versions/1.0")
    error = refused(shop)
    assert "is not on this machine" in error.what
    assert "registries: {r: FOLDER}" in error.fix
    settings(shop, registries={"r": "vendor"})
    assert Project(shop.root).validate() == ()
    assert out(shop.run()) == {"n": "3\n"}
    shop.write("vendor/environments/e/1/environment.yml", "name: e\nimage: i\nconda_file: {dependencies: [pip]}\n")
    assert plan(shop) == (Action.RUN, "environment changed")
    naming("azureml://registries/r/components/count/versions/2.0")
    with pytest.raises(CompileError, match=r"has no components/count/2\.0"):
        shop.run()
    naming("azureml://registries/r/components/count/labels/latest")
    document["jobs"]["s"]["inputs"]["nope"] = 1
    naming(document["jobs"]["s"]["component"])
    with pytest.raises(CompileError, match="the input 'nope', which its component lacks"):
        shop.run()


# --- modes -----------------------------------------------------------------------------------------------------------


def test_a_step_that_reads_by_itself_gets_the_url_and_nothing_is_downloaded(web: Any, shop: Any) -> None:
    web.put("/x.csv", b"one", etag='"1"')
    reading(shop, f"{web.url}/x.csv", "uri_file", "say", mode="direct")
    said = shop.run().outputs["out"].path.read_text().splitlines()
    assert said[0] == f"{web.url}/x.csv"
    assert sorted(said[1:]) == [f"AZUREML_DATAREFERENCE_d={web.url}/x.csv", f"AZURE_ML_INPUT_d={web.url}/x.csv"]
    assert {method for method, _, _ in web.asked} == {"HEAD"}
    assert status(shop.run()) is Status.REUSED
    web.put("/x.csv", b"two", etag='"2"')
    assert plan(shop) == (Action.RUN, "input d changed")


def test_without_marks_the_content_decides_for_a_step_that_reads_by_itself(web: Any, shop: Any) -> None:
    web.put("/x.csv", b"one")
    reading(shop, f"{web.url}/x.csv", "uri_file", "say", mode="direct")
    assert shop.run().outputs["out"].path.read_text().startswith(f"{web.url}/x.csv\n")
    assert status(shop.run()) is Status.REUSED
    web.put("/x.csv", b"two")
    assert plan(shop)[0] is Action.RUN


def test_what_changes_under_a_step_that_reads_by_itself_makes_it_fail(web: Any, shop: Any) -> None:
    import sys

    web.put("/x.csv", b"one", etag='"1"')
    shop.component("slow", f"{sys.executable} fetch.py ${{{{inputs.d}}}} > ${{{{outputs.out}}}}", inputs={"d": "uri_file"},
                   outputs={"out": "uri_file"},
                   code={"fetch.py": "import sys, urllib.request\nurllib.request.urlopen(sys.argv[1]).read()\n"})  # fmt: skip
    reading(shop, f"{web.url}/x.csv", "uri_file", "slow", mode="direct")
    web.pages["/x.csv"].on_get = lambda: web.put("/x.csv", b"two", etag='"2"')
    run = shop.run()
    assert status(run) is Status.FAILED
    assert "had its input d changed while it ran" in run.errors[0]


@pytest.mark.parametrize("where", ["local", "mapped"])
def test_direct_data_of_this_machine_is_its_path(where: str, shop: Any) -> None:
    shop.write("lake/x", "one")
    settings(shop, datastores={"raw": "lake"})
    path = "../lake/x" if where == "local" else "azureml://datastores/raw/paths/x"
    said = reading(shop, path, "uri_file", "say", mode="direct").run().outputs["out"].path.read_text()
    assert said.startswith(f"{shop.root}/lake/x\n")


def writing(shop: Any, path: str, line: str = "echo more >> ${{inputs.d}}/x") -> Any:
    shop.component("write", f"cat ${{{{inputs.d}}}}/x > ${{{{outputs.out}}}}/x; {line}",
                   inputs={"d": {"type": "uri_folder", "mode": "rw_mount"}}, outputs={"out": "uri_folder"})  # fmt: skip
    return reading(shop, path, "uri_folder", "write")


@pytest.mark.parametrize("path", ["../lake", "azureml://datastores/raw/paths/"])
def test_what_a_step_writes_into_its_input_lands_there_and_is_not_reused(path: str, shop: Any) -> None:
    shop.write("lake/x", "one\n")
    settings(shop, datastores={"raw": "lake"})
    writing(shop, path)
    assert out(shop.run()) == {"x": "one\n"}
    assert (shop.root / "lake/x").read_text() == "one\nmore\n"
    assert out(shop.run()) == {"x": "one\nmore\n"}
    shop.write("lake/x", "one\n")
    assert status(shop.run()) is Status.COMPLETED, "a stored result would not have written"
    assert (shop.root / "lake/x").read_text() == "one\nmore\n"


def test_a_step_that_may_write_and_does_not_is_reused(shop: Any) -> None:
    shop.write("lake/x", "one\n")
    writing(shop, "../lake", "true").run()
    assert status(shop.run()) is Status.REUSED


def test_what_is_not_the_user_s_own_file_cannot_be_written_to(memory: Any, shop: Any) -> None:
    memory.pipe("/lake/x", b"one\n")
    settings(shop, datastores={"raw": "memory://lake"})
    writing(shop, "azureml://datastores/raw/paths/")
    run = shop.run()
    assert status(run) is Status.FAILED
    assert "wrote into its input d, which is not a file or folder of yours" in run.errors[0]
    assert memory.cat("/lake/x") == b"one\n"
    assert status(writing(shop, "azureml://datastores/raw/paths/", "true").run()) is Status.COMPLETED


@pytest.mark.parametrize("mode", ["ro_mount", "download"])
def test_a_step_cannot_damage_what_was_downloaded(mode: str, web: Any, shop: Any) -> None:
    web.put("/x.csv", b"one", etag='"1"')
    shop.component("spoil", "echo no > ${{inputs.d}}; cat ${{inputs.d}} > ${{outputs.out}}", inputs={"d": "uri_file"},
                   outputs={"out": "uri_file"})  # fmt: skip
    reading(shop, f"{web.url}/x.csv", "uri_file", "spoil", mode=mode).run()
    assert [path.read_text() for path in (shop.root / ".mlops/downloads").rglob("x.csv")] == ["one"]
