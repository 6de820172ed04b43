"""The pipelines that a project gets from the roles of its components."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.document import parse, plain, unparse
from mlops_lib.errors import CompileError, Finding, InputError
from mlops_lib.graph import build
from mlops_lib.pipelines import MOST_CANDIDATES, ROLES, Cast, assemble, available, cast
from mlops_lib.project import Project
from mlops_lib.settings import Settings
from mlops_lib.spec import Bound, CommandComponent, Data, Input, JobOutput, Literal, Output
from mlops_lib.sweep import Uniform

FOLDER = "uri_folder"
PORTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "preprocess": (
        {"raw": FOLDER, "days": {"type": "integer", "default": 30}},
        {"train": FOLDER, "validation": FOLDER, "test": FOLDER},
    ),
    "train": ({"train": FOLDER, "validation": FOLDER, "rate": {"type": "number", "default": 1e-7}}, {"model": "mlflow_model"}),
    "evaluate": (
        {
            "model_1": "mlflow_model",
            **{f"model_{n}": {"type": "mlflow_model", "optional": True} for n in range(2, 9)},
            "names": "string",
            "test": FOLDER,
            "champion": {"type": "mlflow_model", "optional": True},
        },
        {"metrics": FOLDER, "best": "mlflow_model"},
    ),
    "score": ({"model": "mlflow_model", "data": FOLDER}, {"predictions": FOLDER, "rejects": FOLDER}),
}


def document(
    name: str, role: str, inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    told = {
        port: {"type": value} if isinstance(value, str) else value
        for port, value in (PORTS[role][0] | dict(inputs or {})).items()
    }
    made = {port: {"type": value} for port, value in (PORTS[role][1] | dict(outputs or {})).items()}
    mentioned = [
        f"$[[${{{{inputs.{port}}}}}]]" if value.get("optional") else f"${{{{inputs.{port}}}}}" for port, value in told.items()
    ]
    return {
        "type": "command",
        "name": name,
        "tags": {"role": role},
        "environment": "azureml:python@latest",
        "command": " ".join(["run", *mentioned, *(f"${{{{outputs.{port}}}}}" for port in made)]),
        "inputs": told,
        "outputs": made,
    }


class Shop:
    """A project with one component a role."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.add(
            document("prep", "preprocess"),
            document("train_tree", "train"),
            document("evaluate", "evaluate"),
            document("score", "score"),
        )
        self.write("data/rows.csv", "a\n")
        self.write("mlops.yml", "experiment: shop\ninputs:\n  raw: {type: uri_folder, path: data}\n")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def add(self, *documents: Mapping[str, Any]) -> None:
        for told in documents:
            self.write(f"components/{told['name']}/component.yml", unparse(told))

    @property
    def project(self) -> Project:
        return Project(self.root, near=self.root)

    def job(self, name: str) -> Any:
        return self.project.load(name)[0]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


def component(name: str, role: str | None, **ports: Any) -> CommandComponent:
    inputs, outputs = PORTS.get(str(role), ({}, {}))
    fields: dict[str, Any] = {
        "inputs": {port: Input(**({"type": value} if isinstance(value, str) else value)) for port, value in inputs.items()},
        "outputs": {port: Output(type=value) for port, value in outputs.items()},
    }
    return CommandComponent(command="x", name=name, tags={"role": role} if role else {}, **(fields | ports))


# --- the contract of a role ------------------------------------------------------------------------------------------


def refused(*components: CommandComponent) -> list[Finding]:
    with pytest.raises(CompileError) as caught:
        cast(components)
    return list(caught.value.findings)


def test_components_are_cast_by_their_tag_and_candidates_come_in_the_order_of_their_names() -> None:
    parts = cast([component("b", "train"), component("score", "score"), component("a", "train"), component("helper", None)])
    assert [candidate.name for candidate in parts.train] == ["a", "b"]
    assert parts.score is not None
    assert (parts.preprocess, parts.evaluate) == (None, None)


def test_no_component_makes_no_cast() -> None:
    assert cast([]) == Cast()
    assert available(Cast(), Settings()) == []


@pytest.mark.parametrize("role", ROLES)
def test_a_component_needs_every_port_of_its_role(role: str) -> None:
    for side in ("inputs", "outputs"):
        findings = refused(component("c", role, **{side: {}}))
        assert {finding.code for finding in findings} == {"role-port"}
        assert all(f"no {side[:-1]}" in finding.what for finding in findings)


@pytest.mark.parametrize(
    ("role", "side", "port", "type_"),
    [
        ("preprocess", "inputs", "raw", "string"),
        ("train", "outputs", "model", "uri_folder"),
        ("evaluate", "inputs", "names", "integer"),
        ("score", "outputs", "predictions", "uri_file"),
    ],
)
def test_a_port_of_a_role_has_its_type(role: str, side: str, port: str, type_: str) -> None:
    made = component("c", role)
    ports = dict(getattr(made, side)) | {port: (Input if side == "inputs" else Output)(type=type_)}
    [finding] = refused(component("c", role, **{side: ports}))
    assert (finding.code, finding.what) == ("role-port", f"{side[:-1]} {port!r} of component 'c' is a {type_}")


def test_a_component_with_a_role_needs_a_name() -> None:
    [finding] = refused(dataclasses.replace(component("c", "train"), name=None))
    assert (finding.code, finding.what) == ("missing-key", "a component with the role train lacks 'name'")


@pytest.mark.parametrize("role", ["preprocess", "evaluate", "score"])
def test_one_component_fills_a_role_other_than_train(role: str) -> None:
    [finding] = refused(component("a", role), component("b", role))
    assert (finding.code, finding.what) == ("role-twice", f"component 'b' has the role {role}, as has 'a'")


def test_a_ninth_candidate_is_refused() -> None:
    eight = [component(f"train_{letter}", "train") for letter in "abcdefgh"]
    assert len(cast(eight).train) == MOST_CANDIDATES == 8
    [finding] = refused(*eight, component("train_i", "train"))
    assert (finding.code, finding.what) == ("too-many-candidates", "9 components have the role train")


def test_an_unknown_role_and_every_other_mistake_are_told_together() -> None:
    findings = refused(component("a", "tarin"), component("b", "score"), component("c", "score"))
    assert [finding.code for finding in findings] == ["role-twice", "unknown-role"]


# --- what is assembled -----------------------------------------------------------------------------------------------


def test_a_whole_cast_gives_five_pipelines(shop: Shop) -> None:
    assert shop.project.pipeline_names() == ["evaluate", "preprocess", "score", "shop", "train"]


@pytest.mark.parametrize(("role", "names"), [("train", ["train"]), ("score", ["score"])])
def test_a_part_of_a_cast_gives_what_it_can(role: str, names: list[str]) -> None:
    assert available(cast([component("c", role)]), Settings()) == names


def test_preprocess_registers_the_splits(shop: Shop) -> None:
    job = shop.job("preprocess")
    assert {name: output.name for name, output in job.outputs.items()} == {
        "train": "shop-train",
        "validation": "shop-validation",
        "test": "shop-test",
    }
    assert job.inputs["raw"] == Data(path="./data", type="uri_folder")
    assert job.inputs["prep_days"].value == 30
    assert (job.experiment_name, job.settings.default_compute) == ("shop", "azureml:cpu")


def test_train_reads_the_registered_splits_and_registers_a_model_per_candidate(shop: Shop) -> None:
    shop.add(document("train_linear", "train"))
    job = shop.job("train")
    assert list(job.jobs) == ["train_linear", "train_tree"]
    assert job.inputs["train"] == Data(path="azureml:shop-train@latest", type="uri_folder")
    assert job.inputs["train"].place.file.endswith("component.yml"), "where the port is, since no file names the data"
    assert {name: (output.type, output.name) for name, output in job.outputs.items()} == {
        "model_linear": ("mlflow_model", "shop-linear"),
        "model_tree": ("mlflow_model", "shop-tree"),
    }
    assert set(job.inputs) == {"train", "validation", "train_linear_rate", "train_tree_rate"}


def test_candidates_are_bound_to_the_numbered_ports_in_the_order_of_their_names(shop: Shop) -> None:
    shop.add(document("train_forest", "train"), document("zebra", "train"))
    alone, joined = shop.job("evaluate").jobs["evaluate"], shop.job("shop").jobs["evaluate"]
    for job in (alone, joined):
        assert job.inputs["names"].text == "forest,tree,zebra"
        assert {name for name in job.inputs if name.startswith("model_")} == {"model_1", "model_2", "model_3"}
    assert [str(joined.inputs[f"model_{n}"].to) for n in (1, 2, 3)] == [
        f"${{{{parent.jobs.{name}.outputs.model}}}}" for name in ("train_forest", "train_tree", "zebra")
    ]
    assert shop.job("evaluate").inputs["model_3"] == Data(path="azureml:shop-zebra@latest", type="mlflow_model")


def test_a_new_training_component_is_trained_and_evaluated_without_another_word(shop: Shop) -> None:
    before = build(shop.job("shop"))
    shop.add(document("train_x", "train"))
    after = build(shop.job("shop"))
    assert set(after.steps) - set(before.steps) == {"train_x"}
    assert after.steps["evaluate"].waits == ("prep", "train_tree", "train_x")
    assert after.outputs["model_x"].spec.name == "shop-x"


@pytest.mark.parametrize("champion", ["{type: mlflow_model, path: 'azureml:shop@latest'}", "azureml:shop@latest"])
def test_the_champion_is_bound_when_there_is_one_and_left_out_when_there_is_none(shop: Shop, champion: str) -> None:
    assert "champion" not in shop.job("evaluate").jobs["evaluate"].inputs
    assert "champion" not in shop.job("evaluate").inputs
    shop.write("mlops.yml", f"experiment: shop\ninputs:\n  raw: {{type: uri_folder, path: data}}\n  champion: {champion}\n")
    for name in ("evaluate", "shop"):
        job = shop.job(name)
        assert job.inputs["champion"] == Data(path="azureml:shop@latest", type="mlflow_model")
        assert isinstance(job.jobs["evaluate"].inputs["champion"], Bound)


def test_score_takes_the_best_model_and_the_test_data_unless_told_otherwise(shop: Shop) -> None:
    job = shop.job("score")
    assert job.inputs == {
        "model": Data(path="azureml:shop@latest", type="mlflow_model"),
        "data": Data(path="azureml:shop-test@latest", type="uri_folder"),
    }
    joined = shop.job("shop").jobs["score"]
    assert str(joined.inputs["model"].to) == "${{parent.jobs.evaluate.outputs.best}}"
    assert str(joined.inputs["data"].to) == "${{parent.jobs.prep.outputs.test}}"
    shop.write("mlops.yml", "experiment: shop\ninputs:\n  raw: {type: uri_folder, path: data}\n  data: data\n")
    for name in ("score", "shop"):
        assert shop.job(name).inputs["data"] == Data(path="./data", type="uri_folder")


def test_the_joined_pipeline_has_every_step_in_an_order_that_works(shop: Shop) -> None:
    assert list(build(shop.job("shop")).steps) == ["prep", "train_tree", "evaluate", "score"]
    assert {name: output.name for name, output in shop.job("shop").outputs.items() if output.name} == {
        "train": "shop-train",
        "validation": "shop-validation",
        "test": "shop-test",
        "model_tree": "shop-tree",
        "best": "shop",
    }


# --- settings --------------------------------------------------------------------------------------------------------


def test_settings_give_values_to_any_input_of_a_component(shop: Shop) -> None:
    shop.add(document("train_tree", "train", {"depth": "integer", "lookup": FOLDER}))
    shop.write(
        "mlops.yml", "inputs: {raw: data, prep_days: 7, train_tree_depth: 3, train_tree_lookup: data}\nexperiment: shop\n"
    )
    assert shop.job("preprocess").inputs["prep_days"] == Literal(text="7", value=7)
    job = shop.job("train")
    assert job.inputs["train_tree_depth"] == Literal(text="3", value=3)
    assert job.inputs["train_tree_lookup"] == Data(path="./data", type="uri_folder")


@pytest.mark.parametrize(("port", "type_"), [("depth", "integer"), ("lookup", FOLDER)])
def test_an_input_without_a_value_is_refused_with_the_place_of_the_port(shop: Shop, port: str, type_: str) -> None:
    shop.add(document("train_tree", "train", {port: type_}))
    with pytest.raises(InputError, match=f"the input '{port}' of component 'train_tree' has no value") as caught:
        shop.job("train")
    assert f"inputs: {{train_tree_{port}: …}}" in caught.value.fix
    assert caught.value.place is not None
    assert caught.value.place.file == "components/train_tree/component.yml"


def test_raw_data_must_be_named_in_the_settings(shop: Shop) -> None:
    shop.write("mlops.yml", "experiment: shop\n")
    with pytest.raises(InputError, match="needs a value for 'raw'") as caught:
        shop.job("preprocess")
    assert str(caught.value.place) == "mlops.yml"
    assert caught.value.fix == "add to mlops.yml: inputs: {raw: {type: uri_folder, path: …}}"


def test_a_misspelt_input_in_the_settings_is_refused(shop: Shop) -> None:
    shop.write("mlops.yml", "experiment: shop\ninputs:\n  raw: data\n  prep_dyas: 3\n")
    with pytest.raises(CompileError) as caught:
        shop.job("preprocess")
    [finding] = caught.value.findings
    assert (finding.code, str(finding.place), finding.fix) == ("unknown-input", "mlops.yml:4:14", "did you mean 'prep_days'?")


def test_a_value_of_the_settings_that_does_not_fit_is_told_where_it_is_written(shop: Shop) -> None:
    shop.write("mlops.yml", "experiment: shop\ninputs:\n  raw: data\n  prep_days: many\n")
    with pytest.raises(CompileError) as caught:
        shop.job("preprocess")
    assert [(finding.code, str(finding.place)) for finding in caught.value.findings] == [("bad-value", "mlops.yml:4:14")]


SWEPT = """experiment: shop
inputs:
  raw: data
sweeps:
  train_tree:
    search_space:
      rate: {type: uniform, min_value: 0.1, max_value: 0.5}
    objective: {goal: minimize, primary_metric: loss}
    limits: {max_total_trials: 4}
"""


def test_a_component_is_swept_over_the_space_that_the_settings_give(shop: Shop) -> None:
    shop.add(document("train_linear", "train"))
    shop.write("mlops.yml", SWEPT)
    job = shop.job("shop")
    tree, linear = job.jobs["train_tree"], job.jobs["train_linear"]
    assert (tree.type, linear.type) == ("sweep", "command")
    assert set(job.inputs) >= {"train_linear_rate"}
    assert "train_tree_rate" not in job.inputs
    assert set(tree.inputs) == {"train", "validation"}
    step = build(job).steps["train_tree"]
    assert step.sweep is not None
    assert (step.sweep.space, step.sweep.metric, step.sweep.limits.trials) == ({"rate": Uniform(0.1, 0.5)}, "loss", 4)
    assert set(step.inputs) == {"train", "validation"}
    # Other roles see of it what they would see of any candidate.
    assert str(job.jobs["evaluate"].inputs["model_2"].to) == "${{parent.jobs.train_tree.outputs.model}}"


def test_a_swept_component_is_exported_as_azure_mls_sweep_job(shop: Shop) -> None:
    shop.write("mlops.yml", SWEPT)
    (shop.root / "pipelines").mkdir()
    text = shop.project.export("train")
    assert plain(parse(text, "train.yml"))["jobs"]["train_tree"] == {
        "type": "sweep",
        "trial": "../components/train_tree/component.yml",
        "inputs": {"train": "${{parent.inputs.train}}", "validation": "${{parent.inputs.validation}}"},
        "outputs": {"model": "${{parent.outputs.model_tree}}"},
        "sampling_algorithm": "random",
        "search_space": {"rate": {"type": "uniform", "min_value": 0.1, "max_value": 0.5}},
        "objective": {"goal": "minimize", "primary_metric": "loss"},
        "limits": {"max_total_trials": 4},
    }
    shop.write("pipelines/mine.yml", text.partition("\n")[2])
    assert build(shop.job("mine")).steps["train_tree"].sweep == build(shop.job("train")).steps["train_tree"].sweep


@pytest.mark.parametrize(
    ("change", "code", "place", "words"),
    [
        (("train_tree:", "train_tere:"), "unknown-component", "mlops.yml:6:5", "did you mean 'train_tree'?"),
        (("rate:", "raet:"), "bad-space", "mlops.yml:7:7", "did you mean 'rate'?"),
        (("uniform", "unifrom"), "unknown-type", "mlops.yml:7:20", "did you mean 'uniform'?"),
        (("    objective", "    sampling_algorithm: grid\n    objective"), "bad-space", "mlops.yml:7:20", "a grid takes choices only"),
        (("raw: data", "raw: data\n  train_tree_rate: 0.3"), "bad-space", "mlops.yml:4:20", "is in the search space of 'train_tree'"),
        (("    limits: {max_total_trials: 4}\n", ""), "missing-key", "mlops.yml:6:5", "limits"),
        (("limits: {", "queue_settings: {}\n    limits: {"), "unknown-key", "mlops.yml:9:5", "queue_settings"),
    ],
)
def test_mistakes_in_a_sweep_are_told_where_the_settings_make_them(
    shop: Shop, change: tuple[str, str], code: str, place: str, words: str
) -> None:
    assert change[0] in SWEPT
    shop.write("mlops.yml", SWEPT.replace(*change))
    with pytest.raises(CompileError) as caught:
        shop.job("train")
    [finding] = caught.value.findings
    assert (finding.code, str(finding.place)) == (code, place)
    assert words in str(finding)


def test_raw_data_that_is_not_there_is_told_where_it_is_named(shop: Shop) -> None:
    shop.write("mlops.yml", "experiment: shop\ninputs:\n  raw: {type: uri_folder, path: dta}\n")
    with pytest.raises(CompileError) as caught:
        shop.job("preprocess")
    assert [(finding.code, finding.place.file, finding.fix) for finding in caught.value.findings] == [
        ("missing-path", "mlops.yml", "did you mean 'data'?")
    ]


@pytest.mark.parametrize(("missing", "name"), [("prep", "preprocess"), ("train_tree", "evaluate"), ("score", "shop")])
def test_a_pipeline_without_a_component_for_a_role_is_refused(shop: Shop, missing: str, name: str) -> None:
    (shop.root / "components" / missing / "component.yml").unlink()
    with pytest.raises(InputError, match="needs a component for"):
        shop.job(name)


def test_evaluate_needs_a_port_for_each_candidate(shop: Shop) -> None:
    told = document("evaluate", "evaluate")
    del told["inputs"]["model_2"]
    shop.add({**told, "command": told["command"].replace("$[[${{inputs.model_2}}]]", "")}, document("train_x", "train"))
    with pytest.raises(InputError, match="component 'evaluate' has no input 'model_2'") as caught:
        shop.job("evaluate")
    assert caught.value.fix == "add 'model_2: {type: mlflow_model, optional: true}'"


def test_a_project_named_like_a_role_keeps_the_roles_pipeline() -> None:
    parts = cast(
        [component("prep", "preprocess"), component("t", "train"), component("e", "evaluate"), component("s", "score")]
    )
    settings = Settings(experiment="train")
    assert available(parts, settings) == list(ROLES)
    assert list(assemble("train", parts, settings, folder="/x").jobs) == ["t"]


# --- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ROLES, "shop"])
def test_what_is_written_compiles_to_the_same_graph(shop: Shop, name: str) -> None:
    shop.add(document("train_linear", "train"))
    assembled = build(shop.job(name), name=name)
    project = shop.project
    text = project.export(name)
    project.write_pipeline(name, text)
    assert project.validate() == ()
    (shop.root / "pipelines" / f"{name}.yml").write_text(text.partition("\n")[2])  # a file of the user's own from here on
    assert project.validate() == ()
    written = build(shop.job(name), name=name)
    assert list(written.steps) == list(assembled.steps)
    for step in assembled.steps:
        one, two = assembled.steps[step], written.steps[step]
        assert (one.component, one.waits, one.environment_variables) == (two.component, two.waits, two.environment_variables)
        assert {
            port: getattr(value, "text", None) or getattr(value, "output", None) or value.type
            for port, value in one.inputs.items()
        } == {
            port: getattr(value, "text", None) or getattr(value, "output", None) or value.type
            for port, value in two.inputs.items()
        }
    assert written.outputs == assembled.outputs


def test_a_written_pipeline_names_files_relative_to_itself_and_has_no_key_of_ours(shop: Shop) -> None:
    text = shop.project.export("shop")
    found: Any = plain(parse(text, "shop.yml"))
    assert found["inputs"]["raw"]["path"] == "../data"
    assert {job["component"] for job in found["jobs"].values()} == {
        f"../components/{name}/component.yml" for name in ("prep", "train_tree", "evaluate", "score")
    }
    assert found["inputs"]["train_tree_rate"] == 1e-7
    assert str(shop.root) not in text


def test_outputs_keep_their_names_when_written() -> None:
    job = assemble("score", cast([component("s", "score")]), Settings(experiment="shop"), folder="/x")
    assert job.outputs == {"predictions": JobOutput(type=FOLDER), "rejects": JobOutput(type=FOLDER)}
