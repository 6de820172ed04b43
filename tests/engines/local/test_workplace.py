import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlops_lib.engines.local import workplace
from mlops_lib.engines.local.workplace import Clearing, Workplace, clear, from_outside, unquoted
from mlops_lib.graph import Step, build
from mlops_lib.spec import CommandComponent, Input, Job, Output, PipelineJob
from mlops_lib.stores.snapshots import snapshot


def make_step(
    command: str = "",
    inputs: Mapping[str, str | Input] | None = None,
    outputs: Mapping[str, str] | None = None,
    **variables: str,
) -> Step:
    component = CommandComponent(
        command=command,
        environment_variables=variables,
        inputs={name: told if isinstance(told, Input) else Input(type=told) for name, told in (inputs or {}).items()},
        outputs={name: Output(type=type_) for name, type_ in (outputs or {}).items()},
    )
    return build(PipelineJob(jobs={"s": Job(name="s", component=component)})).steps["s"]


def prepare(
    folder: Path,
    step: Step,
    texts: dict[str, str] | None = None,
    sources: dict[str, Path] | None = None,
    code: Path | None = None,
) -> Workplace:
    return Workplace.prepare(folder / "place", step, texts=texts or {}, sources=sources or {}, code=snapshot(code))


def variables(place: Workplace, step: Step, threads: int = 2) -> dict[str, str]:
    return place.variables(
        step,
        outside=from_outside(os.environ),
        run="root",
        step_run="child",
        experiment="exp",
        threads=threads,
        mlflow={"MLFLOW_RUN_ID": "child", "MLFLOW_TRACKING_URI": "http://here"},
    )


def test_inputs_are_shown_as_azure_ml_mounts_them(tmp_path: Path) -> None:
    (tmp_path / "data/deep").mkdir(parents=True)
    (tmp_path / "data/deep/x.csv").write_text("x")
    step = make_step(inputs={"folder": "uri_folder", "file": "uri_file", "n": "integer"})
    place = prepare(tmp_path, step, {"n": "3"}, {"folder": tmp_path / "data", "file": tmp_path / "data/deep/x.csv"})
    assert Path(place.inputs["folder"]).name == "INPUT_folder"
    assert Path(place.inputs["folder"], "deep/x.csv").read_text() == "x"
    assert place.inputs["file"].endswith("INPUT_file/x.csv")
    assert place.inputs["n"] == "3"


@pytest.mark.parametrize("size", ["copied", "linked"])
def test_a_step_that_writes_into_its_copy_of_an_input_leaves_the_original_alone(
    size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x").write_text("original")
    monkeypatch.setattr(workplace, "_COPIED_BYTES", 1 << 20 if size == "copied" else 3)
    place = prepare(tmp_path, make_step(inputs={"d": "uri_folder"}), sources={"d": tmp_path / "data"})
    shown = Path(place.inputs["d"])
    assert shown.joinpath("x").is_symlink() is (size == "linked")
    shown.joinpath("new").touch()
    shown.joinpath("x").unlink()
    shown.joinpath("x").write_text("other")
    place.remove()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["x"]
    assert (tmp_path / "data/x").read_text() == "original"


def test_a_direct_input_is_what_it_is_and_its_variables_say_the_same(tmp_path: Path) -> None:
    step = make_step("cat ${{inputs.d}}", inputs={"d": Input(type="uri_folder", mode="direct")})
    place = Workplace.prepare(tmp_path / "p", step, texts={}, sources={}, code=[], direct={"d": "abfss://c@a.dfs/x"})
    assert place.command(step) == "cat abfss://c@a.dfs/x"
    found = variables(place, step)
    assert found["AZURE_ML_INPUT_d"] == found["AZUREML_DATAREFERENCE_d"] == "abfss://c@a.dfs/x"
    assert "AZUREML_PARAMETER_d" not in found


def test_an_input_that_may_be_written_to_is_never_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x").write_text("original")
    monkeypatch.setattr(workplace, "_COPIED_BYTES", 1)
    step = make_step(inputs={"d": Input(type="uri_folder", mode="rw_mount")})
    shown = Path(prepare(tmp_path, step, sources={"d": tmp_path / "data"}).inputs["d"], "x")
    assert not shown.is_symlink()
    shown.write_text("other")
    assert (tmp_path / "data/x").read_text() == "original"


def test_folders_exist_beforehand_and_files_do_not(tmp_path: Path) -> None:
    step = make_step(outputs={"folder": "uri_folder", "file": "uri_file", "model": "mlflow_model"})
    place = prepare(tmp_path, step)
    assert [place.outputs[name].is_dir() for name in ("folder", "file", "model")] == [True, False, True]
    assert not place.outputs["file"].exists()
    assert (place.code / "outputs").is_dir()
    assert (place.code / "logs").is_dir()


def test_an_output_that_was_not_written_is_missing(tmp_path: Path) -> None:
    step = make_step(outputs={"folder": "uri_folder", "file": "uri_file", "model": "mlflow_model", "other": "uri_folder"})
    place = prepare(tmp_path, step)
    assert place.missing_outputs(step) == ["file", "model"]
    place.outputs["file"].write_text("x")
    (place.outputs["model"] / "MLmodel").write_text("x")
    assert place.missing_outputs(step) == []
    place.outputs["other"].rmdir()
    place.outputs["other"].write_text("a file where a folder should be")
    place.outputs["file"].unlink()
    place.outputs["file"].mkdir()
    assert place.missing_outputs(step) == ["file", "other"]
    (place.outputs["file"] / "part-0").touch()
    assert place.missing_outputs(step) == ["other"], "Spark writes a folder"


def test_the_code_is_a_copy_that_the_step_may_change(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/a.py").write_text("1")
    place = prepare(tmp_path, make_step(), code=tmp_path / "code")
    (place.code / "a.py").write_text("2")
    assert (tmp_path / "code/a.py").read_text() == "1"


def test_what_is_left_in_outputs_and_logs_is_kept(tmp_path: Path) -> None:
    place = prepare(tmp_path, make_step())
    place.keep_side_outputs(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    (place.code / "outputs/plot.png").write_text("png")
    place.keep_side_outputs(tmp_path / "kept")
    assert [str(path.relative_to(tmp_path / "kept")) for path in (tmp_path / "kept").rglob("*")] == [
        "outputs",
        "outputs/plot.png",
    ]


def test_the_variables_are_those_that_azure_ml_sets(tmp_path: Path) -> None:
    step = make_step(inputs={"d": "uri_folder", "n": "integer"}, outputs={"o": "uri_folder"})
    place = prepare(tmp_path, step, {"n": "3"}, {"d": tmp_path / "place"} if (tmp_path / "place").exists() else {"d": tmp_path})
    found = variables(place, step)
    assert found["AZUREML_RUN_ID"] == found["MLFLOW_RUN_ID"] == "child"
    assert found["AZUREML_ROOT_RUN_ID"] == "root"
    assert found["AZUREML_PARAMETER_n"] == "3"
    assert found["AZURE_ML_INPUT_d"] == found["AZUREML_DATAREFERENCE_d"] == place.inputs["d"]
    assert found["AZURE_ML_OUTPUT_o"] == str(place.outputs["o"])
    assert found["PATH"].split(":")[0] == os.path.dirname(sys.executable)
    assert found["OMP_NUM_THREADS"] == found["MKL_NUM_THREADS"] == "2"
    assert json.loads(found["AZUREML_CR_AZUREML_CONTEXT"])["root_run_id"] == "root"


def test_what_belongs_to_another_run_does_not_come_in_and_the_components_own_variables_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZUREML_RUN_ID", "AZUREML_OLD", "MLFLOW_OLD", "PYTHONPATH", "BASH_ENV", "KEPT"):
        monkeypatch.setenv(name, "outside")
    step = make_step(OMP_NUM_THREADS="7", MLFLOW_RUN_ID="mine")
    found = variables(prepare(tmp_path, step), step)
    assert {"AZUREML_OLD", "MLFLOW_OLD", "PYTHONPATH", "BASH_ENV"}.isdisjoint(found)
    assert [found[name] for name in ("KEPT", "OMP_NUM_THREADS", "MLFLOW_RUN_ID", "AZUREML_RUN_ID")] == [
        "outside",
        "7",
        "mine",
        "child",
    ]


def test_the_command_has_its_values_and_optional_parts_without_one_are_gone(tmp_path: Path) -> None:
    step = make_step(
        "run ${{inputs.n}} $[[--x ${{inputs.x}}]] > ${{outputs.o}}/f", {"n": "integer", "x": "string"}, {"o": "uri_folder"}
    )
    place = prepare(tmp_path, step, {"n": "3"})
    assert place.command(step) == f"run 3  > {place.outputs['o']}/f"


@pytest.mark.parametrize("name", ["plain", "a b", "ümlaut", "it's", "$HOME", 'a"b', "a;b&c", "(1)", "new\nline"])
def test_every_folder_has_a_path_that_bash_takes_without_quotes(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "x").write_text("found\n")
    with unquoted(folder) as path:
        assert (path == folder) is (name == "plain")
        assert subprocess.run(["bash", "-c", f"cat {path}/x"], capture_output=True, text=True, check=True).stdout == "found\n"
    assert (folder / "x").exists()
    assert path.exists() is (name == "plain")
    assert path == folder or not path.parent.exists()


@pytest.mark.parametrize("another", [True, False])
def test_what_a_step_leaves_is_removed_whether_another_starts_or_not(another: bool, tmp_path: Path) -> None:
    place = prepare(tmp_path, make_step(outputs={"made": "uri_folder"}))
    clearing = Clearing()
    clearing.over(place)
    if another:
        clearing.started()
    clearing.close()
    assert not place.folder.exists()


def test_the_way_to_a_folder_whose_run_was_killed_is_removed_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    generator = unquoted(folder)
    link = generator.__enter__()
    assert link.is_symlink()
    clear(folder)
    assert not folder.exists()
    assert not link.parent.exists()
    link.parent.mkdir()  # as the killed run would never come back to remove it
    generator.__exit__(None, None, None)


def test_a_note_that_names_another_link_removes_nothing(tmp_path: Path) -> None:
    folder, other = tmp_path / "a b", tmp_path / "other"
    for path in (folder, other):
        path.mkdir()
    (tmp_path / "link").symlink_to(other)
    (folder / ".link").write_text(str(tmp_path / "link"))
    clear(folder)
    assert (tmp_path / "link").is_symlink()


def test_a_process_that_is_interrupted_before_it_can_close_its_clearing_ends() -> None:
    program = "from mlops_lib.engines.local.workplace import Clearing; Clearing(); raise KeyboardInterrupt"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.stderr.endswith("KeyboardInterrupt\n")
