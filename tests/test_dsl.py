import copy
import dataclasses
import inspect
import pickle
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_lib import Project, pipeline
from mlops_lib.document import parse, plain, unparse
from mlops_lib.dsl import ComponentFunction, PipelineCall
from mlops_lib.errors import CompileError, InputError
from mlops_lib.graph import External, FromStep, Value, build

FOLDER = {"type": "uri_folder"}
COMPONENTS: dict[str, dict[str, Any]] = {
    "prep": {
        "command": "mkdir -p ${{outputs.train}} ${{outputs.validation}}; cp ${{inputs.raw}}/* ${{outputs.train}}; echo ${{inputs.days}}",
        "inputs": {"raw": FOLDER, "days": {"type": "integer", "default": 30}},
        "outputs": {"train": FOLDER, "validation": FOLDER},
    },
    "train": {
        "command": "cat ${{inputs.train}}/* > ${{outputs.model}}/m; echo ${{inputs.learning_rate}} ${{inputs.validation}} $[[${{inputs.note}}]]",
        "inputs": {
            "train": FOLDER,
            "validation": FOLDER,
            "learning_rate": {"type": "number", "default": 0.1, "max": 1},
            "note": {"type": "string", "optional": True},
        },
        "outputs": {"model": FOLDER},
    },
    "regular": {
        "command": "run ${{inputs.lambda}} > ${{outputs.out}}/x",
        "description": "Has a word of Python's.",
        "inputs": {"lambda": {"type": "number"}},
        "outputs": {"out": FOLDER},
    },
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name, told in COMPONENTS.items():
        path = tmp_path / "components" / name / "component.yml"
        path.parent.mkdir(parents=True)
        path.write_text(unparse({"name": name, "type": "command", "environment": "azureml:python@latest"} | told))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("a\n")
    monkeypatch.chdir(tmp_path)
    return Project.discover()


@pytest.fixture
def quick(shop: Project) -> Callable[..., PipelineCall]:
    prep, train = shop.component("prep"), shop.component("train")

    @pipeline
    def quick(raw: Any, learning_rate: float = 0.1) -> Any:
        features = prep(raw=raw)
        return {
            "model": train(
                train=features.outputs.train, validation=features.outputs.validation, learning_rate=learning_rate
            ).outputs.model
        }

    return quick  # type: ignore[no-any-return]


def line_of(marker: str) -> int:
    """The line of this file that ends in ``# MARKER``."""
    lines = Path(__file__).read_text().splitlines()
    return 1 + next(number for number, line in enumerate(lines) if line.endswith(f"# {marker}"))


# --- what a function becomes -----------------------------------------------------------------------------------------


def test_a_function_of_components_is_a_pipeline(quick: Callable[..., PipelineCall], shop: Project) -> None:
    graph = build(quick(raw="data").job)
    assert list(graph.steps) == ["prep", "train"]
    assert graph.steps["prep"].inputs == {
        "raw": External(path="data", type="uri_folder", folder=str(shop.root)),
        "days": Value("30"),
    }
    assert graph.steps["train"].inputs == {
        "train": FromStep("prep", "train"),
        "validation": FromStep("prep", "validation"),
        "learning_rate": Value("0.1"),
    }
    assert graph.outputs["model"].source == FromStep("train", "model")


def test_values_may_be_given_by_place_and_paths_as_paths(quick: Callable[..., PipelineCall], shop: Project) -> None:
    graph = build(quick(Path("data"), 0.5).job)
    assert graph.steps["prep"].inputs["raw"] == External(path="data", type="uri_folder", folder=str(shop.root))
    assert graph.steps["train"].inputs["learning_rate"] == Value("0.5")


def test_a_pipeline_runs(quick: Callable[..., PipelineCall]) -> None:
    run = quick(raw="data").run(listener=lambda event: None)
    assert run.succeeded
    assert (run.outputs["model"].path / "m").read_text() == "a\n"
    again = quick(raw="data").run(listener=lambda event: None)
    assert {step.status.value for step in again.steps.values()} == {"reused"}


def test_what_is_written_out_loads_as_the_same_graph(quick: Callable[..., PipelineCall], shop: Project) -> None:
    call = quick(raw="data", learning_rate=0.3)
    text = call.to_yaml()
    (shop.root / "written.yml").write_text(text)
    assert shop.validate([shop.root / "written.yml"]) == ()
    job, _, _ = shop.load(str(shop.root / "written.yml"))
    assert build(job).outputs["model"].source == build(call.job).outputs["model"].source
    assert {name: step.inputs for name, step in build(job).steps.items()} == {
        name: step.inputs for name, step in build(call.job).steps.items()
    }
    found: Any = plain(parse(text, "written.yml"))
    assert found["jobs"]["prep"]["component"] == "./components/prep/component.yml"


def test_options_of_the_decorator_reach_the_job(shop: Project) -> None:
    prep = shop.component("prep")

    @pipeline(name="other", compute="azureml:big", experiment="mine", continue_on_step_failure=False, force_rerun=True)
    def flow(raw: Any) -> None:
        job = prep(raw=raw)
        job.compute = "azureml:gpu"
        job.environment_variables["A"] = "1"

    job = flow("data").job
    assert (job.display_name, job.experiment_name, job.settings.default_compute) == ("other", "mine", "azureml:big")
    assert (job.settings.continue_on_step_failure, job.settings.force_rerun) == (False, True)
    assert (job.jobs["prep"].compute, job.jobs["prep"].environment_variables) == ("azureml:gpu", {"A": "1"})


def test_jobs_of_one_component_are_numbered_and_may_be_renamed(shop: Project) -> None:
    prep = shop.component("prep")

    @pipeline
    def flow(raw: Any) -> Any:
        first, second, third = prep(raw=raw), prep(raw=raw), prep(raw=raw)
        third.name = "last"
        fourth = prep(raw=second.outputs["train"])
        second.name = "middle"
        return {"a": first.outputs.train, "b": third.outputs.train, "c": fourth.outputs.train}

    graph = build(flow("data").job)
    assert list(graph.steps) == ["prep", "middle", "last", "prep_2"]
    assert graph.steps["prep_2"].inputs["raw"] == FromStep("middle", "train")


def test_a_job_may_be_returned_or_handed_on_whole(shop: Project) -> None:
    prep, train = shop.component("prep"), shop.component("train")

    @pipeline
    def flow(raw: Any) -> Any:
        features = prep(raw=raw)
        model = train(train=features.outputs.train, validation=features.outputs.validation)
        return prep(raw=model)

    graph = build(flow("data").job)
    assert list(graph.outputs) == ["train", "validation"]
    assert graph.steps["prep_1"].inputs["raw"] == FromStep("train", "model")


def test_none_leaves_an_input_out(shop: Project) -> None:
    prep, train = shop.component("prep"), shop.component("train")

    @pipeline
    def flow(raw: Any, note: Any = None, rate: Any = 0.5) -> None:
        features = prep(raw=raw, days=None)
        train(train=features.outputs.train, validation=features.outputs.train, note=note, learning_rate=rate)

    assert "note" not in build(flow("data").job).steps["train"].inputs
    assert build(flow("data", note="hi", rate=None).job).steps["train"].inputs["note"] == Value("hi")
    assert build(flow("data", rate=None).job).steps["train"].inputs["learning_rate"] == Value("0.1")


@pytest.mark.parametrize(("value", "text"), [(True, "True"), (3, "3"), (1e-7, "1e-07"), ("1e-3", "1e-3"), ("yes", "yes")])
def test_values_become_the_text_that_yaml_would_give(shop: Project, value: object, text: str) -> None:
    train, prep = shop.component("train"), shop.component("prep")

    @pipeline
    def flow(raw: Any, note: Any) -> None:
        features = prep(raw=raw)
        train(train=features.outputs.train, validation=features.outputs.train, note=note)

    call = flow("data", note=value)
    assert build(call.job).steps["train"].inputs["note"] == Value(text)
    Path("written.yml").write_text(call.to_yaml())
    assert build(shop.load("written.yml")[0]).steps["train"].inputs["note"] == Value(text)


def test_numbers_of_numpy_are_numbers(shop: Project) -> None:
    class Float64(float):
        def item(self) -> float:
            return float(self)

    quick = pipeline(lambda rate: shop.component("regular")(**{"lambda": rate}))
    assert "0.25" in quick(Float64(0.25)).to_yaml()


# --- pipelines in pipelines ------------------------------------------------------------------------------------------


def test_a_pipeline_in_a_pipeline_is_a_job_of_it(shop: Project, quick: Callable[..., Any]) -> None:
    prep = shop.component("prep")

    @pipeline
    def whole(raw: Any, rate: float = 0.2) -> Any:
        first = prep(raw=raw)
        inner = quick(raw=first.outputs.train, learning_rate=rate)
        inner.name = "nested"
        other = quick(raw=inner.outputs.model)
        return {"model": other.outputs.model}

    graph = build(whole("data").job)
    assert list(graph.steps) == ["prep", "nested.prep", "nested.train", "quick.prep", "quick.train"]
    assert graph.steps["nested.train"].inputs["learning_rate"] == Value("0.2")
    assert graph.steps["quick.train"].inputs["learning_rate"] == Value("0.1")
    assert graph.steps["quick.prep"].inputs["raw"] == FromStep("nested.train", "model")
    assert graph.outputs["model"].source == FromStep("quick.train", "model")


def test_paths_inside_a_nested_pipeline_start_from_the_project(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    prep = shop.component("prep")
    inner = pipeline(lambda: prep(raw="data"), name="inner")
    outer = pipeline(lambda: inner(), name="outer")
    monkeypatch.chdir(shop.root / "components")
    [step] = build(outer().job).steps.values()
    [raw] = [value for value in step.inputs.values() if isinstance(value, External)]
    assert raw.folder == str(shop.root)


def test_a_pipeline_in_a_pipeline_is_not_written_as_yaml_that_azure_refuses(quick: Callable[..., Any]) -> None:
    whole = pipeline(lambda raw: quick(raw=raw), name="whole")
    with pytest.raises(InputError, match="job 'quick' is a pipeline that has no file") as caught:
        whole("data").to_yaml()
    assert caught.value.place is not None
    assert caught.value.place.file.endswith("test_dsl.py")


# --- mistakes --------------------------------------------------------------------------------------------------------


def refused(make: Callable[[], Any], error: type[InputError] = InputError) -> InputError:
    with pytest.raises(error) as caught:
        make()
    return caught.value


def test_a_misspelt_input_is_told_with_the_callers_line(shop: Project) -> None:
    prep = shop.component("prep")

    @pipeline
    def flow(raw: Any) -> None:
        prep(rw=raw)  # MISSPELT INPUT

    error = refused(lambda: flow("data"))
    assert (error.what, error.fix) == ("component 'prep' has no input 'rw'", "did you mean 'raw'?")
    assert error.place is not None
    assert (Path(error.place.file).name, error.place.line) == ("test_dsl.py", line_of("MISSPELT INPUT"))


def test_a_misspelt_output_is_told_with_the_callers_line(shop: Project) -> None:
    prep = shop.component("prep")

    @pipeline
    def flow(raw: Any) -> Any:
        return {"x": prep(raw=raw).outputs.trian}  # MISSPELT OUTPUT

    error = refused(lambda: flow("data"))
    assert (error.what, error.fix) == ("component 'prep' has no output 'trian'", "did you mean 'train'?")
    assert error.place is not None
    assert error.place.line == line_of("MISSPELT OUTPUT")


def test_a_misspelt_parameter_is_told_with_the_callers_line(quick: Callable[..., Any]) -> None:
    error = refused(lambda: quick(raw="data", learning_rat=1))  # MISSPELT PARAMETER
    assert (error.what, error.fix) == ("pipeline 'quick' has no input 'learning_rat'", "did you mean 'learning_rate'?")
    assert error.place is not None
    assert error.place.line == line_of("MISSPELT PARAMETER")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda shop: shop.component("prep")(raw="data"), "was called outside a pipeline"),
        (lambda shop: pipeline(lambda raw: shop.component("prep")(raw), name="p")("data"), "takes its inputs by name"),
        (lambda shop: pipeline(lambda raw: None, name="p")("data"), "pipeline 'p' has no job"),
        (lambda shop: pipeline(lambda raw: [shop.component("prep")(raw=raw)], name="p")("data"), "pipeline 'p' returned list"),
        (
            lambda shop: pipeline(lambda raw: {"x": shop.component("prep")(raw=raw)}, name="p")("data"),
            "output 'x' of pipeline 'p' is no output",
        ),
        (
            lambda shop: pipeline(lambda raw: {"x": raw} if shop.component("prep")(raw=raw) else None, name="p")("data"),
            "is no output of one of its jobs",
        ),
        (
            lambda shop: pipeline(lambda raw: shop.component("prep")(raw=shop.component("prep")(raw=raw)), name="p")("data"),
            "which has 2 outputs",
        ),
        (lambda shop: pipeline(lambda raw: shop.component("prep")(raw=raw), name="p")(), "missing a required argument: 'raw'"),
        (
            lambda shop: pipeline(lambda raw: shop.component("prep")(raw=raw), name="p")("data", "more"),
            "too many positional arguments",
        ),
    ],
)
def test_what_makes_no_pipeline_is_refused_in_this_file(shop: Project, body: Callable[[Project], Any], words: str) -> None:
    error = refused(lambda: body(shop))
    assert words in error.what
    assert error.place is not None
    assert error.place.file.endswith("test_dsl.py")


def test_an_output_is_returned_once(shop: Project) -> None:
    prep = shop.component("prep")

    @pipeline
    def flow(raw: Any) -> Any:
        job = prep(raw=raw)
        return {"a": job.outputs.train, "b": job.outputs.train}

    assert "outputs 'a' and 'b' are the same output of 'prep'" in refused(lambda: flow("data")).what


@pytest.mark.parametrize(
    ("name", "words"),
    [("prep_1", "two jobs are named 'prep_1'"), ("My job", "a job is named 'My job'"), ("1st", "a job is named '1st'")],
)
def test_a_jobs_new_name_must_be_free_and_one_that_azure_takes(shop: Project, name: str, words: str) -> None:
    prep = shop.component("prep")

    @pipeline
    def flow(raw: Any) -> None:
        first = prep(raw=raw)
        prep(raw=raw)
        first.name = name

    error = refused(lambda: flow("data"))
    assert error.what == words
    assert error.place is not None


def test_an_output_of_another_pipeline_is_refused(shop: Project) -> None:
    prep = shop.component("prep")
    kept: list[Any] = []
    pipeline(lambda raw: kept.append(prep(raw=raw)), name="one")("data")
    error = refused(lambda: pipeline(lambda raw: prep(raw=kept[0].outputs.train), name="two")("data"))
    assert "an output of a job of another pipeline" in error.what


@pytest.mark.parametrize(
    ("given", "code"),
    [({"learning_rate": "fast"}, "bad-value"), ({"learning_rate": 2}, "bad-value"), ({"raw": "dta"}, "missing-path")],
)
def test_a_value_that_does_not_fit_is_told_where_it_was_given(
    quick: Callable[..., Any], given: dict[str, Any], code: str
) -> None:
    error = refused(lambda: quick(**({"raw": "data"} | given)), CompileError)  # GIVEN
    assert isinstance(error, CompileError)
    assert [(finding.code, finding.place.line) for finding in error.findings] == [(code, line_of("GIVEN"))]


def test_a_missing_input_and_a_clash_are_told_at_the_job(shop: Project) -> None:
    train = shop.component("train")

    @pipeline
    def flow(raw: Any) -> None:
        job = train(train=raw, validation=raw)
        train(train=raw, learning_rate=job.outputs.model)  # WRONG JOB

    error = refused(lambda: flow("data"), CompileError)
    assert isinstance(error, CompileError)
    assert [(finding.code, finding.place.line) for finding in error.findings] == [
        ("missing-input", line_of("WRONG JOB")),
        ("type-clash", line_of("WRONG JOB")),
    ]


def test_a_failing_function_leaves_nothing_open(shop: Project) -> None:
    prep = shop.component("prep")

    @pipeline
    def flow(raw: Any) -> None:
        prep(raw=raw)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        flow("data")
    assert "outside a pipeline" in refused(lambda: prep(raw="data")).what


@pytest.mark.parametrize("function", [lambda *values: None, lambda **values: None, eval("lambda x, /: None")])
def test_parameters_without_a_name_of_their_own_are_a_callers_bug(function: Any) -> None:
    with pytest.raises(ValueError, match="each parameter needs a name of its own"):
        pipeline(function)


# --- in a notebook ---------------------------------------------------------------------------------------------------


def test_a_component_shows_its_ports(shop: Project) -> None:
    train = shop.component("train")
    assert (
        str(inspect.signature(train))
        == "(*, train: 'uri_folder', validation: 'uri_folder', learning_rate: 'number' = 0.1, note: 'string' = None)"
    )
    assert repr(train) == "<component 'train': train, validation, learning_rate, note -> model>"
    regular = shop.component("regular")
    assert isinstance(regular, ComponentFunction)
    assert regular.__doc__ == "Has a word of Python's."
    call = pipeline(lambda: regular(**{"lambda": 2}), name="p")()
    assert build(call.job).steps["regular"].inputs["lambda"] == Value("2")


def test_outputs_can_be_looked_at_copied_and_asked_anything(shop: Project) -> None:
    prep = shop.component("prep")
    seen: list[Any] = []

    @pipeline
    def flow(raw: Any) -> None:
        job = prep(raw=raw)
        assert (repr(job), repr(raw), repr(job.outputs.train)) == (
            "<job 'prep'>",
            "<input 'raw'>",
            "<output 'train' of 'prep'>",
        )
        assert dir(job.outputs) == list(job.outputs) == ["train", "validation"]
        assert not hasattr(job.outputs, "_repr_html_")
        copy.copy(job.outputs)
        seen.append(job.outputs)

    flow("data")
    assert seen


def test_a_pipeline_is_a_picture_of_itself(quick: Callable[..., PipelineCall]) -> None:
    call = quick(raw="data")
    assert call._repr_svg_() == call.to_svg()
    titles = [title.text for title in ET.fromstring(call.to_svg()).iter("{http://www.w3.org/2000/svg}title")]
    assert {"step prep", "step train", "output model", "data data"} <= set(titles)
    assert repr(call) == "<pipeline 'quick': prep, train>"


def test_errors_of_a_notebook_name_its_cell(shop: Project) -> None:
    program = "from mlops_lib import *\nprep = Project.discover().component('prep')\npipeline(lambda: prep(rw=1), name='p')()\n"
    with pytest.raises(InputError) as caught:
        exec(compile(program, "<cell 3>", "exec"), {})
    assert str(caught.value.place) == "<cell 3>:3:1"
    assert pickle.loads(pickle.dumps(caught.value)).place == caught.value.place


def test_a_call_is_made_of_frozen_values(quick: Callable[..., PipelineCall]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        quick(raw="data").job.name = "x"  # type: ignore[misc]


@pytest.mark.parametrize("use", ["rate + 1", "1 + rate", "rate > 3", "not rate", "rate[0]", "float(rate)"])
def test_computing_with_an_input_says_that_it_has_no_value_yet(use: str, shop: Project) -> None:
    names = {"shop": shop, "pipeline": pipeline}
    code = f"prep = shop.component('prep')\n\n@pipeline\ndef p(rate):\n    prep(raw='data')\n    return {use}\n"
    exec(code, names)
    with pytest.raises(InputError, match="'rate' has no value while the pipeline is put together"):
        names["p"](rate=1)  # type: ignore[operator]
