"""The picture of a workflow."""

from __future__ import annotations

import time
from xml.etree import ElementTree

from generator.service.pages.picture import draw, graph_of, interface_graph

_WORKFLOW = {
    "class": "Workflow",
    "inputs": {"url": "string", "n": {"type": "int"}},
    "outputs": {"result": {"type": "File", "outputSource": "work/file"}},
    "steps": {
        "fetch": {"run": "stage_in.cwl", "in": {"url": "url"}, "out": ["file"]},
        "work": {"run": "process.cwl", "in": {"table": {"source": "fetch/file"}, "n": "n"}, "out": ["file"]},
    },
}


def test_a_tool_is_its_inputs_the_step_and_its_outputs() -> None:
    document = {"class": "CommandLineTool", "inputs": {"a": "int"}, "outputs": {"b": {"type": ["null", "File"]}}}
    graph = graph_of(document, title="process.ipynb")

    assert graph.edges == (("in/a", "step/"), ("step/", "out/b"))
    assert graph.nodes["out/b"].note == "File?"


def test_a_workflow_s_edges_are_its_sources() -> None:
    assert set(graph_of(_WORKFLOW, title="").edges) == {
        ("in/url", "step/fetch"),
        ("in/n", "step/work"),
        ("step/fetch", "step/work"),
        ("step/work", "out/result"),
    }


def test_a_record_type_is_called_by_its_name() -> None:
    document = {**_WORKFLOW, "inputs": {"url": {"type": ["null", "string", "#workflow/S3"]}, "n": "int"}}

    assert graph_of(document, title="").nodes["in/url"].note == "string | S3?"


def test_steps_stand_in_the_order_in_which_they_run() -> None:
    drawn = ElementTree.fromstring(draw(graph_of(_WORKFLOW, title="")))[0]
    across = {box[0].text.partition(":")[0]: int(box.get("transform", "")[10:].split()[0]) for box in drawn.iter("g")}

    assert across["url"] == across["n"] < across["fetch"] < across["work"] < across["result"]


def test_names_are_escaped() -> None:
    drawn = draw(graph_of({"inputs": {"<script>": "x"}, "outputs": {}}, title="</svg><script>"))

    assert "<script" not in drawn
    ElementTree.fromstring(drawn)


def test_a_workflow_that_goes_in_circles_is_drawn_all_the_same() -> None:
    steps = {"a": {"in": {"x": "b/y"}, "out": ["y"]}, "b": {"in": {"x": "a/y"}, "out": ["y"]}}

    ElementTree.fromstring(draw(graph_of({"class": "Workflow", "inputs": {}, "outputs": {}, "steps": steps}, title="")))


def test_a_picture_of_very_many_steps_and_connections_is_drawn_in_time() -> None:
    """The steps are in the worst order: each pass over their connections moves only one of them."""
    count = 600
    names = [f"s{number}" for number in reversed(range(count))]
    steps = {name: {"in": [{"source": f"{one}/y"} for one in names[at + 1 : at + 11]]} for at, name in enumerate(names)}
    graph = graph_of({"class": "Workflow", "inputs": {}, "outputs": {}, "steps": steps}, title="")
    assert len(graph.edges) > 5000

    start = time.process_time()
    draw(graph)

    assert time.process_time() - start < 2


def test_a_narrow_picture_has_one_column_in_the_same_order() -> None:
    drawn = ElementTree.fromstring(draw(graph_of(_WORKFLOW, title="")))[1]
    places = [box.get("transform", "")[10:-1].split() for box in drawn.iter("g")]
    down = {box[0].text.partition(":")[0]: int(y) for box, (_, y) in zip(drawn.iter("g"), places, strict=True)}

    assert drawn.get("class") == "workflow down"
    assert len({x for x, _ in places}) == 1
    assert down["url"] < down["fetch"] < down["work"] < down["result"]
    assert int(drawn.get("width", "")) < 390 - 2 * 16


def test_an_interface_is_drawn_without_staging() -> None:
    interface = {
        "inputs": [{"name": "n", "type": "enum", "symbols": ["a", "b"], "array": True}],
        "stage_in": [{"name": "scene", "type": "File"}],
        "outputs": [{"name": "map", "type": "File", "glob": "map.png"}],
    }
    graph = interface_graph(interface, title="process.ipynb")

    assert graph.edges == (("in/n", "step/"), ("in/scene", "step/"), ("step/", "out/map"))
    assert graph.nodes["in/n"].note == "a | b[]"
