"""The images of a document, whose signatures ``--verify`` checks: those that its engine starts, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.package.image_signatures import images_of
from generator.shared.errors import DocumentError

_TOOL = """\
class: CommandLineTool
requirements:
  DockerRequirement: {{dockerPull: {image}}}
inputs:
  one: {{type: Any, default: {default}}}
"""


def tool(folder: Path, name: str = "process.cwl", image: str = "a", default: str = "{}") -> Path:
    (folder / name).write_text(_TOOL.format(image=image, default=default))
    return folder / name


@pytest.mark.parametrize("image", ["1234", "0x1f", "1e5", "true", "registry.example.org/a@sha256:12"])
def test_an_image_is_its_text_even_if_yaml_reads_a_number(image: str, tmp_path: Path) -> None:
    assert images_of(tool(tmp_path, image=image)) == [image]


@pytest.mark.parametrize("default", ["{run: a.cwl}", "{dockerPull: nginx}", "{steps: {a: {run: a.cwl}}}"])
def test_a_default_names_neither_an_image_nor_a_document(default: str, tmp_path: Path) -> None:
    assert images_of(tool(tmp_path, default=default)) == ["a"]


def test_a_workflow_has_the_images_of_its_steps(tmp_path: Path) -> None:
    tool(tmp_path, "first.cwl", "a")
    tool(tmp_path, "second.cwl", "b")
    workflow = tmp_path / "workflow.cwl"
    workflow.write_text("class: Workflow\nsteps: {one: {run: first.cwl}, two: {run: second.cwl}}\n")

    assert images_of(workflow) == ["a", "b"]


def test_a_graph_has_the_images_of_its_members(tmp_path: Path) -> None:
    graph = tmp_path / "application.cwl"
    tool_of_graph = "{id: tool, requirements: {DockerRequirement: {dockerPull: a}}}"
    members = "{class: Workflow, steps: {one: {run: '#tool'}}}, " + tool_of_graph
    graph.write_text(f"$graph: [{members}]\n")

    assert images_of(graph) == ["a"]


@pytest.mark.parametrize("text", ["class: CommandLineTool", "[]", "class: Workflow\nsteps: {}"])
def test_a_document_without_an_image_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "process.cwl").write_text(text)

    with pytest.raises(DocumentError, match="names no image"):
        images_of(tmp_path / "process.cwl")
