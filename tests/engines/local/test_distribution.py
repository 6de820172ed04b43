"""Commands that are several processes, as real ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.stores.records import Status


@pytest.fixture
def team(project: Callable[..., Any]) -> Callable[..., Any]:
    """Run a distributed command that may write to its output; its run."""

    def run(command: str, **distribution: Any) -> Any:
        shop = project()
        shop.component("train", command, outputs={"out": "uri_folder"}, distribution=distribution)
        shop.pipeline({"train": "train"}, outputs={"out": "${{parent.jobs.train.outputs.out}}"})
        shop.result = shop.run()
        return shop

    return run


def test_every_rank_runs_the_command_with_its_own_variables(team: Callable[..., Any]) -> None:
    shop = team(
        "echo $RANK/$LOCAL_RANK/$WORLD_SIZE/$NODE_RANK/$MASTER_ADDR/$MASTER_PORT > ${{outputs.out}}/$RANK",
        type="pytorch",
        process_count_per_instance=3,
    )
    told = [(shop.result.outputs["out"].path / str(rank)).read_text().strip().split("/") for rank in range(3)]
    assert [words[:4] for words in told] == [[str(rank), str(rank), "3", "0"] for rank in range(3)]
    assert len({words[5] for words in told}) == 1
    assert told[0][4] == "127.0.0.1"


def test_ranks_run_at_once_and_can_meet(team: Callable[..., Any]) -> None:
    # Each waits for the other's file: one after the other they would never end.
    shop = team(
        "touch ${{outputs.out}}/$OMPI_COMM_WORLD_RANK; other=$((1 - OMPI_COMM_WORLD_RANK));"
        " for i in $(seq 4000); do test -e ${{outputs.out}}/$other && exit 0; sleep 0.05; done; exit 1",
        type="mpi",
        process_count_per_instance=2,
    )
    assert shop.result.succeeded


def test_when_a_rank_fails_the_others_end_and_so_does_the_step(team: Callable[..., Any]) -> None:
    shop = team(
        "if [ $RANK = 1 ]; then echo rank one broke; exit 7; fi; sleep 300; touch ${{outputs.out}}/never",
        type="pytorch",
        process_count_per_instance=2,
    )
    step = shop.result.steps["train"]
    assert (step.status, step.exit_code) == (Status.FAILED, 7)
    assert "rank one broke" in shop.result.errors[0]


def test_parameter_servers_end_with_the_workers(team: Callable[..., Any]) -> None:
    script = (
        "echo $TF_CONFIG > ${{outputs.out}}/$RANDOM$RANDOM; case $TF_CONFIG in *'\"type\": \"ps\"'*) sleep 300;; esac;"
        " for i in $(seq 4000); do test $(ls ${{outputs.out}} | wc -l) = 3 && exit 0; sleep 0.05; done; exit 1"
    )
    shop = team(script, type="tensorflow", worker_count=2, parameter_server_count=1)
    assert shop.result.succeeded, shop.result.errors
    told = [json.loads(path.read_text()) for path in Path(shop.result.outputs["out"].path).iterdir()]
    assert sorted(config["task"]["type"] for config in told) == ["ps", "worker", "worker"]


def test_ranks_share_the_steps_cores(team: Callable[..., Any]) -> None:
    shop = team("echo $OMP_NUM_THREADS > ${{outputs.out}}/$RANK", type="pytorch", process_count_per_instance=64)
    assert {path.read_text() for path in Path(shop.result.outputs["out"].path).iterdir()} == {"1\n"}


def test_another_number_of_ranks_is_another_step(team: Callable[..., Any]) -> None:
    command = "echo x > ${{outputs.out}}/$RANK"
    shop = team(command, type="pytorch", process_count_per_instance=1)
    shop.component("train", command, outputs={"out": "uri_folder"}, distribution={"type": "pytorch", "process_count_per_instance": 2})
    step = shop.run().steps["train"]
    assert (step.status, step.reason) == (Status.COMPLETED, "distribution changed")
    shop.pipeline({"train": {"component": "../components/train/component.yml", "distribution": {"type": "pytorch"}}})
    assert shop.run().steps["train"].status is Status.REUSED
