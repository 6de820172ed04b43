from collections.abc import Callable
from typing import Any

import pytest

from mlops_lib.differs import Difference


def differs(shop: Any, **job: Any) -> list[str]:
    shop.pipeline({"train": {"component": "../components/train/component.yml", **job}})
    return [str(difference) for difference in shop.run().differences if difference.what != "environment"]


@pytest.fixture
def shop(project: Callable[..., Any]) -> Any:
    shop = project()
    shop.component("train", "echo x > ${{outputs.out}}", outputs={"out": "uri_file"})
    return shop


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"compute": "azureml:gpu"}, ["compute azureml:gpu of train: this machine"]),
        ({"resources": {"instance_count": 4}}, ["instance_count 4 of train: one node"]),
        ({"resources": {"instance_count": 1}}, []),
        (
            {"resources": {"instance_type": "Standard_NC6", "shm_size": "16g"}},
            ["instance_type Standard_NC6 of train: has no effect", "shm_size 16g of train: has no effect"],
        ),
        ({"identity": {"type": "user_identity"}}, ["identity user_identity of train: yours"]),
        ({"services": {"jupyter": {"type": "jupyter_lab"}}}, ["services jupyter of train: none is started"]),
        ({"queue_settings": {"job_tier": "spot"}}, ["queue_settings job_tier spot of train: has no effect"]),
        ({"distribution": {"type": "ray"}}, ["distribution ray of train: one process, without a cluster"]),
        ({"distribution": {"type": "pytorch", "process_count_per_instance": 1}}, []),
    ],
)
def test_what_a_job_asks_of_azure_and_does_not_get_is_told(shop: Any, job: dict[str, Any], expected: list[str]) -> None:
    found = differs(shop, **{"compute": "azureml:cpu", **job})
    assert [told for told in found if not told.startswith("compute azureml:cpu")] == expected


def test_the_environment_is_told_with_its_image(shop: Any) -> None:
    shop.write("environments/any/environment.yml", "name: any\nversion: '1'\nimage: example/image:1\n")
    shop.pipeline({"a": "train", "b": "train"})
    [found] = [difference for difference in shop.run().differences if difference.what == "environment"]
    assert (found.azure, found.steps) == ("any (example/image:1)", ("a", "b"))


def test_jobs_of_a_nested_pipeline_have_the_nearest_default_compute(shop: Any) -> None:
    shop.write(
        "components/inner/component.yml",
        "type: pipeline\nname: inner\njobs:\n  own: {type: command, component: ../train/component.yml, compute: azureml:own}\n"
        "  given: {type: command, component: ../train/component.yml}\n",
    )
    shop.pipeline(
        {
            "near": {"type": "pipeline", "component": "../components/inner/component.yml", "settings": {"default_compute": "azureml:near"}},
            "far": {"type": "pipeline", "component": "../components/inner/component.yml"},
        },
        settings={"default_compute": "azureml:far"},
    )
    found = {difference.azure: difference.steps for difference in shop.run().differences if difference.what == "compute"}
    assert found == {"azureml:own": ("near.own", "far.own"), "azureml:near": ("near.given",), "azureml:far": ("far.given",)}


def test_a_run_is_told_of_them_and_remembers_them(shop: Any) -> None:
    shop.pipeline({"train": "train"})
    done = shop.mlops("run", "p")
    assert "differs on Azure: compute, environment; see: mlops runs show" in done.stderr
    shown = shop.mlops("runs", "show").stdout
    assert "differs on Azure: compute azureml:cpu of train: this machine" in shown
    [run, past] = [shop.json("run", "p"), shop.json("runs", "show")]
    assert run["differs_on_azure"] == past["differs_on_azure"]
    assert run["differs_on_azure"][0] == {"what": "compute", "azure": "azureml:cpu", "here": "this machine", "steps": ["train"]}


def test_what_is_the_same_for_many_steps_is_one_difference() -> None:
    told = str(Difference(what="compute", azure="azureml:cpu", here="this machine", steps=("a", "b", "c", "d")))
    assert told == "compute azureml:cpu of a, b, c, …: this machine"
