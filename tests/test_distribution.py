import json

import pytest

from mlops_lib.distribution import Distribution, read_distribution


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ({"type": "ray"}, None),
        ({"type": "pytorch"}, Distribution(type="pytorch")),
        ({"type": "PyTorch", "process_count_per_instance": 4}, Distribution(type="pytorch", processes=4)),
        ({"type": "mpi", "process_count_per_instance": "2"}, Distribution(type="mpi", processes=2)),
        ({"type": "mpi", "process_count_per_instance": 0}, Distribution(type="mpi")),
        ({"type": "tensorflow", "worker_count": 3, "parameter_server_count": 1}, Distribution(type="tensorflow", processes=3, servers=1)),
        ({"type": "tensorflow"}, Distribution(type="tensorflow")),
    ],
)
def test_a_distribution_says_how_many_processes_there_are(given: object, expected: Distribution | None) -> None:
    assert read_distribution(given) == expected


def test_processes_of_pytorch_know_their_rank_and_the_first_ones_address() -> None:
    told = Distribution(type="pytorch", processes=2).variables([4321])
    assert [process["RANK"] for process in told] == [process["LOCAL_RANK"] for process in told] == ["0", "1"]
    assert {(process["WORLD_SIZE"], process["NODE_RANK"], process["MASTER_ADDR"], process["MASTER_PORT"]) for process in told} == {
        ("2", "0", "127.0.0.1", "4321")
    }


def test_processes_of_mpi_know_what_open_mpi_tells_them() -> None:
    first, second = Distribution(type="mpi", processes=2).variables([])
    assert first["OMPI_COMM_WORLD_RANK"] == "0"
    assert second == {
        "OMPI_COMM_WORLD_RANK": "1",
        "OMPI_COMM_WORLD_LOCAL_RANK": "1",
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
        "OMPI_COMM_WORLD_NODE_RANK": "0",
    }


def test_processes_of_tensorflow_know_the_whole_cluster() -> None:
    distribution = Distribution(type="tensorflow", processes=2, servers=1)
    assert distribution.ports == 3
    told = [json.loads(process["TF_CONFIG"]) for process in distribution.variables([1, 2, 3])]
    assert {json.dumps(config["cluster"]) for config in told} == {
        json.dumps({"worker": ["127.0.0.1:1", "127.0.0.1:2"], "ps": ["127.0.0.1:3"]})
    }
    assert [(config["task"]["type"], config["task"]["index"]) for config in told] == [("worker", 0), ("worker", 1), ("ps", 0)]
