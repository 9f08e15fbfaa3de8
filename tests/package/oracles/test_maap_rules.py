"""The rules of MAAP's API, which reads metadata with patterns from a document's text."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.package.oracles.maap import judge
from generator.package.oracles.opinion import Opinion

_DOCUMENT = """\
cwlVersion: v1.2
s:version: 1.2.0
s:codeRepository: https://example.org/ada/trees
s:commitHash: 79289bb
s:keywords: trees, forest
$graph:
- class: Workflow
  id: trees
  doc: Counts trees.
  inputs: {}
  outputs: {}
  steps:
    run: {run: '#process', in: {}, out: []}
- class: CommandLineTool
  id: process
  baseCommand: [packmill-runner, run]
  requirements:
    ResourceRequirement: {coresMin: 1, ramMin: 2048}
  inputs: {}
  outputs: {}
"""


def _opinion(folder: Path, text: str) -> Opinion:
    (folder / "application.cwl").write_text(text)
    return judge([folder / "application.cwl"])[0]


def test_a_document_for_platforms_is_accepted(tmp_path: Path) -> None:
    assert _opinion(tmp_path, _DOCUMENT) == Opinion()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("s:version: 1.2.0\n", "", "s:version: missing"),
        ("s:version: 1.2.0", "s:version: a:b", "s:version: a colon is not allowed"),
        ("s:version: 1.2.0", "s:version: two words", "s:version: the API reads 'two' instead of 'two words'"),
        ("s:keywords: trees, forest", "s:keywords:\n- trees", "s:keywords: the API reads one line of text"),
        ("s:commitHash: 79289bb\n", "", "s:commitHash: the API reads 'x' instead of None"),
        ("cwlVersion: v1.2", "cwlVersion: v1.0", "cwlVersion: the API reads v1.2 alone"),
        ("class: Workflow", "class: Operation", "a $graph with a Workflow is missing"),
        ("  id: trees\n", "", "the Workflow has no id"),
        ("run: '#process'", "run: other.cwl", "the first step runs no CommandLineTool of the document"),
        ("id: process", "id: preprocess", "the API takes 'preprocess' for the tool of the first step, 'process'"),
        ("  baseCommand: [packmill-runner, run]\n", "", "process: baseCommand is missing"),
        ("ramMin: 2048", "ramMax: 2048", "process: ResourceRequirement needs a whole number as ramMin"),
        ("coresMin: 1", "coresMin: 0.5", "process: ResourceRequirement needs a whole number as coresMin"),
    ],
)
def test_a_document_is_refused_for(tmp_path: Path, old: str, new: str, fault: str) -> None:
    text = _DOCUMENT.replace("doc: Counts trees.", "doc: 's:commitHash: x as text'") if "Hash" in old else _DOCUMENT

    assert old in text
    assert fault in _opinion(tmp_path, text.replace(old, new)).faults


def test_a_value_in_quotation_marks_is_a_warning_because_the_api_keeps_them(tmp_path: Path) -> None:
    found = _opinion(tmp_path, _DOCUMENT.replace("s:version: 1.2.0", 's:version: "1.2"'))

    assert found == Opinion(warnings=('s:version: the API reads "1.2" with the quotation marks',))


def test_a_document_that_is_not_yaml_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in _opinion(tmp_path, "a: b: c").faults[0]
