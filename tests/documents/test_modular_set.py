"""What tools of others need in the documents of the modular set: ``process.cwl``, the workflows, and their steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import cases

from generator.package.engines.cwltool import validate
from generator.package.plain_document import read_document

_packages = cases / "packages"
_some = (
    "everything/expected/process.cwl",
    "shell-with-a-config/expected/dps-run/process.cwl",
    "staged-paths/expected/stage_in.cwl",
    "staged-paths/expected/stage_out.cwl",
    "staged-paths/expected/workflow.cwl",
    "staged-paths/expected/cache_workflow.cwl",
)


def _described(document: dict[str, Any]) -> list[dict[str, Any]]:
    ports = [*document["inputs"].values(), *document["outputs"].values()]
    return [document, *ports, *document.get("steps", {}).values()]


@pytest.mark.parametrize("name", _some)
def test_everything_has_a_label_and_a_doc(name: str) -> None:
    for one in _described(read_document(_packages / name)):
        assert one["label"].strip()
        assert one["doc"].strip()


@pytest.mark.parametrize("name", _some)
def test_no_input_has_the_name_of_an_output(name: str) -> None:
    document = read_document(_packages / name)

    assert not document["inputs"].keys() & document["outputs"].keys()


@pytest.mark.parametrize("workflow", ["workflow.cwl", "cache_workflow.cwl"])
def test_every_step_runs_a_tool_of_its_own(workflow: str) -> None:
    """cwl-loader imports the file of each step, and refuses an id that it has already."""
    folder = _packages / "staged-paths" / "expected"
    files = [step["run"] for step in read_document(folder / workflow)["steps"].values()]

    assert [name for name in files if name.startswith("stage_in")] == [
        "stage_in.cwl",
        "stage_in_2.cwl",
        "stage_in_3.cwl",
        "stage_in_4.cwl",
    ]
    assert [read_document(folder / name)["id"] for name in files] == [Path(name).stem for name in files]


def test_a_packed_workflow_is_valid(tmp_path: Path) -> None:
    workflow = _packages / "staged-paths" / "expected" / "workflow.cwl"
    program = Path(sys.executable).with_name("cwltool")
    packed = subprocess.run([program, "--pack", workflow], capture_output=True, check=True)
    (tmp_path / "packed.cwl").write_bytes(packed.stdout)

    assert validate([tmp_path / "packed.cwl"])[0].problem == ""
