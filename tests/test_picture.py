import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.document import parse, unparse
from mlops_lib.graph import Graph, build
from mlops_lib.picture import draw
from mlops_lib.spec import PipelineJob, Report, read

SVG = "{http://www.w3.org/2000/svg}"


def graph(
    jobs: dict[str, list[str]], outputs: dict[str, str] | None = None, data: dict[str, str] | None = None, name: str = "p"
) -> Graph:
    document: dict[str, Any] = {
        "type": "pipeline",
        "jobs": {},
        "outputs": {output: f"${{{{parent.jobs.{job}.outputs.o}}}}" for output, job in (outputs or {}).items()},
    }
    for job, waits in jobs.items():
        inputs: dict[str, Any] = {f"i{number}": f"${{{{parent.jobs.{to}.outputs.o}}}}" for number, to in enumerate(waits)}
        if job in (data or {}):
            inputs["raw"] = {"type": "uri_folder", "path": (data or {})[job]}
        document["jobs"][job] = {"command": "x", "environment": "azureml:e:1", "inputs": inputs, "outputs": {"o": None}}
    spec = read(parse(unparse(document), "p.yml"), Report(), folder="", kind="pipeline job")
    assert isinstance(spec, PipelineJob)
    return build(spec, name=name)


def boxes(svg: str) -> dict[str, tuple[float, float, float, float]]:
    """Each box by its title: left, top, width, height."""
    found = {}
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        title, rectangle = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None
        assert rectangle is not None
        found[str(title.text)] = tuple(float(rectangle.get(key, "")) for key in ("x", "y", "width", "height"))
    return found  # type: ignore[return-value]


def test_data_is_above_what_reads_it_and_outputs_are_below_what_makes_them() -> None:
    svg = draw(graph({"train": ["prep"], "prep": []}, {"model": "train"}, {"prep": "data/raw"}))
    tops = {name: box[1] for name, box in boxes(svg).items()}
    assert sorted(tops, key=lambda name: tops[name]) == ["data data/raw", "step prep", "step train", "output model"]


def test_lines_tell_what_flows() -> None:
    svg = draw(graph({"train": ["prep", "prep"], "prep": []}))
    assert [title.text for path in ET.fromstring(svg).iter(f"{SVG}path") for title in path.iter(f"{SVG}title")] == ["o, o"]


@pytest.mark.parametrize("name", ['<b>&"quoted"</b>', "a]]>b", "bell \x07 and \x00", "日本 😀", "x" * 500])
def test_names_are_escaped_and_the_picture_is_well_formed(name: str) -> None:
    svg = draw(graph({"prep": []}, {}, {"prep": name}, name=name))
    assert "<b>" not in svg
    assert "\x07" not in svg
    assert len(boxes(svg)) == 2


def test_a_graph_without_steps_is_an_empty_picture() -> None:
    assert boxes(draw(Graph(name="p", steps={}, outputs={}))) == {}


def test_a_wide_graph_has_room_for_every_box() -> None:
    svg = draw(graph({f"job_{number}": [] for number in range(40)}))
    width = float(ET.fromstring(svg).get("width", ""))
    assert len({box[1] for box in boxes(svg).values()}) == 1
    assert max(box[0] + box[2] for box in boxes(svg).values()) <= width


def test_a_deep_graph_is_drawn_without_recursion() -> None:
    count = 1200
    assert len(boxes(draw(graph({f"j{number}": [f"j{number - 1}"] if number else [] for number in range(count)})))) == count


@pytest.mark.parametrize("status", ["completed", "reused", "failed", "skipped", "canceled", "unheard of"])
def test_a_status_colours_its_step(status: str) -> None:
    plain, coloured = draw(graph({"a": []})), draw(graph({"a": []}), {"a": status})
    ET.fromstring(coloured)
    assert (plain != coloured) == (status != "unheard of")


@given(st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 12), max_size=4, unique=True), min_size=1))
def test_boxes_never_overlap_and_every_line_points_down(waits: dict[int, list[int]]) -> None:
    jobs = {f"j{name}": [f"j{to}" for to in after if to in waits and to < name] for name, after in waits.items()}
    found = boxes(draw(graph(jobs, {"end": next(iter(jobs))})))
    for name, after in jobs.items():
        assert all(found[f"step {to}"][1] < found[f"step {name}"][1] for to in after)
    placed = list(found.values())
    for index, (x, y, width, height) in enumerate(placed):
        for other_x, other_y, other_width, other_height in placed[:index]:
            assert x + width <= other_x or other_x + other_width <= x or y + height <= other_y or other_y + other_height <= y
