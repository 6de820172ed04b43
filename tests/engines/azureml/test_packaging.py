"""A pipeline job as a component."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.engines.azureml.packaging import Package, component_name, package
from mlops_lib.errors import InputError
from mlops_lib.graph import build
from mlops_lib.project import Project

COMPONENT = {
    "type": "command", "name": "fit", "environment": "azureml:any@latest", "outputs": {"out": {"type": "uri_folder"}},
    "command": "echo ${{inputs.rows}} ${{inputs.rate}} $[[${{inputs.model}}]] ${{inputs.fast}} > ${{outputs.out}}/x",
    "inputs": {"rows": {"type": "uri_folder"}, "rate": {"type": "number", "min": 0, "max": 1}, "fast": {"type": "boolean"},
               "model": {"type": "mlflow_model", "optional": True}},
}  # fmt: skip


@pytest.fixture
def packaged(tmp_path: Path) -> Callable[..., Package]:
    for folder in ("components/fit", "pipelines"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "components" / "fit" / "component.yml").write_text(json.dumps(COMPONENT))

    def make(job: Any, **more: Any) -> Package:
        one = {"type": "command", "component": "../components/fit/component.yml", **job}
        document = {"type": "pipeline", "compute": "azureml:cpu", "jobs": {"one": one}, **more}
        (tmp_path / "pipelines" / "p.yml").write_text(json.dumps(document))
        found, name, _ = Project(tmp_path).load("p")
        return package(found, build(found, name=name), name="shop_p")

    return make


FIT = {"inputs": {name: f"${{{{parent.inputs.{name}}}}}" for name in ("rows", "rate", "fast", "model")}}
INPUTS = {
    "rows": {"type": "uri_folder", "path": "."}, "rate": 1, "fast": True, "unused": "word",
    "model": {"type": "mlflow_model", "path": "azureml:flights:3"},
}  # fmt: skip


def test_values_become_defaults_and_inputs_have_the_types_of_the_ports_they_go_into(packaged: Callable[..., Package]) -> None:
    made = packaged(FIT, inputs=INPUTS, outputs={"out": "${{parent.jobs.one.outputs.out}}"})
    told = made.document()
    assert told["inputs"] == {
        "rows": {"type": "uri_folder"}, "rate": {"type": "number", "default": 1, "min": 0, "max": 1},
        "fast": {"type": "boolean", "default": True}, "unused": {"type": "string", "default": "word"}, "model": {"type": "mlflow_model"},
    }  # fmt: skip
    assert told["outputs"] == {"out": {"type": "uri_folder"}}
    assert (told["jobs"]["one"]["outputs"], told["name"], told["type"]) == ({"out": "${{parent.outputs.out}}"}, "shop_p", "pipeline")
    assert made.data == {"model": "azureml:flights:3"}  # what is on this machine has to be given each time
    assert made.settings == {"default_compute": "cpu", "continue_on_step_failure": "True", "force_rerun": "False"}


def test_what_an_endpoint_does_not_do_is_said(packaged: Callable[..., Package]) -> None:
    outputs = {"out": {"type": "uri_folder", "name": "fitted"}}
    made = packaged(FIT | {"outputs": {"out": "${{parent.outputs.out}}"}}, inputs=INPUTS, outputs=outputs)
    assert [notice.split(":")[0] for notice in made.notices] == ["out"]
    assert "are not registered" in made.notices[0]


def test_data_of_this_machine_inside_is_refused(packaged: Callable[..., Package]) -> None:
    rows = {"rows": {"type": "uri_folder", "path": "."}, "rate": 0.5, "fast": False}
    with pytest.raises(InputError, match="input 'rows' of job 'one' is data of this machine"):
        packaged({"inputs": rows})


@pytest.mark.parametrize(("project_", "pipeline", "name"), [
    ("flights", "score", "flights_score"), ("flights", "flights", "flights"), ("My Shop", "a.b", "my_shop_a_b"), ("1st", "x", "pipeline_1st_x"),
])  # fmt: skip
def test_a_component_is_called_as_azure_takes_it(project_: str, pipeline: str, name: str) -> None:
    assert component_name(project_, pipeline) == name
