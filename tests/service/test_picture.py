"""The picture of a workflow."""

from __future__ import annotations

from xml.etree import ElementTree

from generator.service.pages.picture import graph_of, svg

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
    drawn = ElementTree.fromstring(svg(graph_of(_WORKFLOW, title="")))
    across = {box[0].text.partition(":")[0]: int(box.get("transform", "")[10:].split()[0]) for box in drawn.iter("g")}

    assert across["url"] == across["n"] < across["fetch"] < across["work"] < across["result"]


def test_names_are_escaped() -> None:
    drawn = svg(graph_of({"inputs": {"<script>": "x"}, "outputs": {}}, title="</svg><script>"))

    assert "<script" not in drawn
    ElementTree.fromstring(drawn)


def test_a_workflow_that_goes_in_circles_is_drawn_all_the_same() -> None:
    steps = {"a": {"in": {"x": "b/y"}, "out": ["y"]}, "b": {"in": {"x": "a/y"}, "out": ["y"]}}

    ElementTree.fromstring(svg(graph_of({"class": "Workflow", "inputs": {}, "outputs": {}, "steps": steps}, title="")))
