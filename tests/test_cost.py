"""What a pipeline may cost, from prices, sizes, nodes and limits."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.cost import Cost, Prices, estimate
from mlops_lib.project import Project

PRICES = Prices(hourly={"Standard_DS3_v2": 0.3, "Standard_NC6s_v3": 4.0}, currency="EUR")
SIZES = {"cpu": "STANDARD_DS3_V2", "gpu": "Standard_NC6s_v3", "cluster": None}
SEARCH = {"type": "sweep", "search_space": {"rate": {"type": "choice", "values": [1, 2, 3, 4]}}, "sampling_algorithm": "grid",
          "objective": {"goal": "minimize", "primary_metric": "loss"}}  # fmt: skip


def cost_of(tmp_path: Path, prices: Prices = PRICES, **job: Any) -> Cost | None:
    """Of a pipeline with one job, ``only``."""
    component = {"type": "command", "name": "c", "inputs": {"rate": {"type": "number", "default": 1}},
                 "environment": "azureml:py@latest", "command": "echo ${{inputs.rate}}"}  # fmt: skip
    (tmp_path / "c.yml").write_text(json.dumps(component))
    node = {"type": "command", ("trial" if job.get("type") == "sweep" else "component"): "c.yml", **job}
    (tmp_path / "p.yml").write_text(json.dumps({
        "type": "pipeline", "settings": {"default_compute": "azureml:cpu"}, "jobs": {"only": node}}))  # fmt: skip
    project = Project(tmp_path)
    pipeline, name, _ = project.load(str(tmp_path / "p.yml"))
    return estimate(project.graph(pipeline, name), SIZES, prices)


@pytest.mark.parametrize(("job", "most"), [
    ({"limits": {"timeout": 7200}}, 0.6),
    ({"limits": {"timeout": 1800}, "compute": "azureml:gpu", "resources": {"instance_count": 3}}, 6.0),
    ({**SEARCH, "limits": {"max_total_trials": 4, "max_concurrent_trials": 2, "timeout": 3600}}, 0.6),
    ({**SEARCH, "limits": {"max_total_trials": 4, "max_concurrent_trials": 2, "trial_timeout": 1800}}, 0.6),
    ({**SEARCH, "limits": {"max_total_trials": 4, "max_concurrent_trials": 4, "timeout": 3600, "trial_timeout": 900}}, 0.3),
])  # fmt: skip
def test_a_limit_gives_the_most_that_a_step_can_cost(tmp_path: Path, job: dict[str, Any], most: float) -> None:
    cost = cost_of(tmp_path, **job)
    assert cost is not None
    assert cost.most == {"only": pytest.approx(most)}
    assert cost.total == pytest.approx(most)
    assert not cost.unlimited | cost.unpriced
    assert str(cost) == f"cost: at most {most:,.2f} EUR"


def test_without_a_limit_an_hour_is_told(tmp_path: Path) -> None:
    cost = cost_of(tmp_path, resources={"instance_count": 2})
    assert cost is not None
    assert str(cost) == "cost: 0.60 EUR an hour while only runs (no limits.timeout)"
    swept = cost_of(tmp_path, **SEARCH, limits={"max_total_trials": 4, "max_concurrent_trials": 4})
    assert swept is not None
    assert swept.unlimited == {"only": pytest.approx(1.2)}


def test_a_size_without_a_price_is_named(tmp_path: Path) -> None:
    known = Prices(hourly={"Standard_D2": 1.0})
    assert str(cost_of(tmp_path, known)) == "cost: no price for STANDARD_DS3_V2"
    assert str(cost_of(tmp_path, compute="azureml:cluster")) == "cost: no price for compute cluster"


def test_serverless_compute_is_as_large_as_the_job_says(tmp_path: Path) -> None:
    cost = cost_of(tmp_path, compute="serverless", resources={"instance_type": "Standard_NC6s_v3"}, limits={"timeout": 900})
    assert cost is not None
    assert cost.to_dict() == {"currency": "EUR", "at_most": 1.0, "steps": {"only": 1.0}, "hourly_without_limit": {}, "unpriced": {}}


def test_who_gives_no_prices_is_told_nothing(tmp_path: Path) -> None:
    assert cost_of(tmp_path, Prices()) is None
