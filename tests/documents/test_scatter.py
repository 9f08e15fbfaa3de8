"""``scatter.cwl``: the process of ``application.cwl`` for each item of a list (OGC 20-089r1, /rec/app-pck/fan-out)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from document_context import context_of

from generator.documents.cwl.application import application_cwl
from generator.documents.cwl.scatter import emit
from generator.package.job_file import read_yaml
from generator.process.scatter import check_scatter
from generator.shared.errors import UsageError


def document(cell: str, *names: str) -> Any:
    return read_yaml(emit(replace(context_of(cell), scatter=names))["scatter.cwl"])


def test_the_only_stage_in_is_scattered_by_default() -> None:
    one, two = "a = 'a/'  # type: stage-in", "b = 'b/'  # type: stage-in"

    workflow, tool = document(f"n = 1\n{one}")["$graph"]

    assert workflow["requirements"] == {"ScatterFeatureRequirement": {}}
    assert workflow["steps"]["run"]["scatter"] == ["a"]
    assert workflow["steps"]["run"]["scatterMethod"] == "dotproduct"
    assert workflow["inputs"]["a"]["type"] == "Directory[]"
    assert tool["inputs"]["a"]["type"] == "Directory"
    assert not emit(context_of("n = 1"))
    assert not emit(context_of(f"{one}\n{two}"))


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("x = 1  # type: int", "int[]"),
        ("x = None  # type: string", "string[]"),
        ("x = {'a': 1}", "string[]"),
        ("x = ['a']  # type: string[]", {"type": "array", "items": {"type": "array", "items": "string"}}),
        ("x = None  # type: int[]", {"type": "array", "items": {"type": "array", "items": "int"}}),
        (
            "x = None  # type: Literal['a', 'b']",
            {"type": "array", "items": {"type": "enum", "symbols": ["a", "b"]}},
        ),
    ],
)
def test_a_scattered_input_is_a_list_without_a_default(cell: str, kind: Any) -> None:
    workflow, _ = document(cell, "x")["$graph"]

    assert workflow["inputs"]["x"]["type"] == kind
    assert "default" not in workflow["inputs"]["x"]


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("'x.png'  # type: stage-out", "File[]"),
        ("'x/'  # type: stage-out", "Directory[]"),
        ("'x.png'  # type: stage-out?", {"type": "array", "items": ["null", "File"]}),
        ("'*.png'  # type: stage-out", {"type": "array", "items": {"type": "array", "items": "File"}}),
    ],
)
def test_declared_outputs_are_gathered_next_to_the_folders(declared: str, kind: Any) -> None:
    workflow, tool = document(f"n = 1\nout = {declared}", "n")["$graph"]

    types = {name: one["type"] for name, one in workflow["outputs"].items()}
    assert types == {"out": kind, "output_dir": "Directory[]"}
    assert workflow["steps"]["run"]["out"] == [*tool["outputs"]] == ["out", "output_dir"]
    assert tool["arguments"][-1] == "--all-outputs"


def test_the_tool_is_that_of_the_application_but_for_its_outputs() -> None:
    cell = "a = 'a/'  # type: stage-in\nn = 2\nout = 'x.png'  # type: stage-out"
    workflow, tool = document(cell)["$graph"]
    other_workflow, other_tool = read_yaml(application_cwl(context_of(cell)))["$graph"]

    assert {**tool, "arguments": tool["arguments"][:-1], "outputs": 0} == {**other_tool, "outputs": 0}
    assert tool["outputs"]["output_dir"] == other_tool["outputs"]["output_dir"]
    assert workflow["id"] == f"{other_workflow['id']}-scatter"
    assert workflow["inputs"]["n"] == other_workflow["inputs"]["n"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [("yaer", "process.ipynb has no such input; did you mean 'year'?"), ("token", "a secret of process.ipynb")],
)
def test_a_name_that_cannot_be_scattered_is_refused(name: str, problem: str) -> None:
    process = context_of("year = 1\ntoken = ''  # type: secret").process

    with pytest.raises(UsageError, match=problem.replace("?", r"\?")):
        check_scatter([process], [name])
