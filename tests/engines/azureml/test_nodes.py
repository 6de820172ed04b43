"""Whose job is whose: what Azure ML says of the jobs below a pipeline's, and the nodes of the pipeline."""

import pytest

from mlops_lib.engines.azureml.history import State
from mlops_lib.engines.azureml.nodes import Node, match, newest
from mlops_lib.stores.records import Status


def job(id_: str, name: str, *, node: str = "", component: str = "", created: float | None = None) -> State:
    return State(id=id_, name=name, status=Status.RUNNING, said="Running", node=node, component=component, created=created)


@pytest.mark.parametrize(("nodes", "jobs", "found", "unknown"), [
    ({"a": Node(), "b": Node()}, [job("1", "a"), job("2", "b")], {"a": ["1"], "b": ["2"]}, set()),
    ({"a": Node(shown="First"), "b": Node()}, [job("1", "First"), job("2", "b")], {"a": ["1"], "b": ["2"]}, set()),
    ({"a": Node(shown="First")}, [job("1", "a")], {"a": ["1"]}, set()),  # a display name that Azure ML did not heed
    ({"a": Node(component="prep")}, [job("1", "Prepare", component="prep")], {"a": ["1"]}, set()),
    ({"a": Node(shown="x", component="prep"), "b": Node(shown="x", component="fit")},
     [job("1", "x", node="n1", component="fit"), job("2", "x", node="n2", component="prep")], {"a": ["2"], "b": ["1"]}, set()),
    ({"a": Node(shown="b", component="prep"), "b": Node(component="fit")},
     [job("1", "b", node="n1", component="prep"), job("2", "b", node="n2", component="fit")], {"a": ["1"], "b": ["2"]}, set()),
    ({"a": Node(shown="x", component="prep"), "b": Node(shown="x", component="prep"), "c": Node(component="prep")},
     [job("1", "x", node="n1", component="prep"), job("2", "c", node="n2", component="prep")], {"c": ["2"]}, {"x"}),
    ({"a": Node()}, [job("1", "a", node="n1"), job("2", "a", node="n1")], {"a": ["1", "2"]}, set()),
    ({"a": Node()}, [job("1", "a"), job("2", "a")], {"a": ["1", "2"]}, set()),
    ({"a": Node()}, [job("1", "of nobody")], {}, set()),
])  # fmt: skip
def test_a_job_is_that_of_the_node_whose_names_it_has(
    nodes: dict[str, Node], jobs: list[State], found: dict[str, list[str]], unknown: set[str]
) -> None:
    matched, doubtful = match(jobs, nodes)
    assert {name: [state.id for state in states] for name, states in matched.items()} == found
    assert doubtful == unknown


def test_the_newest_of_a_nodes_jobs_counts_in_whatever_order_they_are_told() -> None:
    last = newest([job("2", "a", created=20.0), job("1", "a", created=10.0)])
    assert (last.id, last.attempt) == ("2", 2)
    assert newest([job("1", "a"), job("2", "a")]).id == "2"
