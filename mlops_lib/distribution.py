"""A command that is several processes: how many, and what each is told of its place among them.

Source: Azure ML's guide to distributed training for the variables of PyTorch and TensorFlow; Open MPI's for those of MPI.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ADDRESS = "127.0.0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """The processes of one command on this machine, as one node of a cluster.

    Attributes:
        type: ``pytorch``, ``mpi`` or ``tensorflow``.
        processes: How many run the command, at least 1; of TensorFlow the workers.
        servers: Of TensorFlow, the parameter servers, which run the command too.
    """

    type: str
    processes: int = 1
    servers: int = 0

    @property
    def ports(self) -> int:
        """How many free ports its processes need to find each other."""
        return {"pytorch": 1, "tensorflow": self.processes + self.servers}.get(self.type, 0)

    def variables(self, ports: Sequence[int]) -> tuple[Mapping[str, str], ...]:
        """The variables of each process; the first one's output is the command's in the eyes of most scripts.

        Args:
            ports: As many as :attr:`ports` says, free on this machine.
        """
        if self.type == "tensorflow":
            return self._of_tensorflow(ports)
        return tuple(self._of_rank(rank, ports) for rank in range(self.processes))

    def _of_rank(self, rank: int, ports: Sequence[int]) -> Mapping[str, str]:
        if self.type == "pytorch":
            named = {"MASTER_ADDR": _ADDRESS, "MASTER_PORT": ports[0], "NODE_RANK": 0, "RANK": rank, "LOCAL_RANK": rank,
                     "WORLD_SIZE": self.processes, "LOCAL_WORLD_SIZE": self.processes}
        else:
            named = {f"OMPI_COMM_WORLD_{name}": value for name, value in (
                ("RANK", rank), ("LOCAL_RANK", rank), ("SIZE", self.processes), ("LOCAL_SIZE", self.processes),
                ("NODE_RANK", 0))}
        return {name: str(value) for name, value in named.items()}

    def _of_tensorflow(self, ports: Sequence[int]) -> tuple[Mapping[str, str], ...]:
        addresses = [f"{_ADDRESS}:{port}" for port in ports]
        cluster = {"worker": addresses[:self.processes]}
        if self.servers:
            cluster["ps"] = addresses[self.processes:]
        tasks = [("worker", index) for index in range(self.processes)] + [("ps", index) for index in range(self.servers)]
        return tuple({"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": type_, "index": index},
                                               "environment": "cloud"})} for type_, index in tasks)


def read_distribution(given: Any) -> Distribution | None:
    """What a checked ``distribution`` says; None for none, and for ray, of which one process is the whole cluster.

    Args:
        given: The mapping, as plain data.
    """
    kind = str(given.get("type", "")).lower() if isinstance(given, Mapping) else ""
    if kind in ("pytorch", "mpi"):
        return Distribution(type=kind, processes=_count(given, "process_count_per_instance", 1))
    if kind == "tensorflow":
        return Distribution(type=kind, processes=_count(given, "worker_count", 1),
                            servers=_count(given, "parameter_server_count", 0))
    return None


def _count(given: Mapping[str, Any], key: str, least: int) -> int:
    value = given.get(key)
    return max(least, int(value)) if isinstance(value, int | float | str) and str(value).isdecimal() else least
