"""Dates, boxes, GeoJSON and bounds: from the document through cwltool to the cell that a run injects."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import forked_programs
import pytest
from forked_programs import CWLTOOL
from support import here

_case = here / "cases" / "packages" / "earth-types"


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """The document of the case, which cwltool runs with this packmill instead of an image."""
    package = tmp_path / "package"
    shutil.copytree(_case / "expected", package)
    shutil.copytree(_case / "repository", package / "example")
    (package / "example" / "aoi.geojson").rename(package / "example" / "0_aoi.geojson")
    text = (package / "process.cwl").read_text(encoding="utf-8")
    before, rest = text.split("  DockerRequirement:\n", 1)
    (package / "process.cwl").write_text(before + rest.split("\n", 1)[1], encoding="utf-8")
    command = tmp_path / "bin" / "packmill-runner"
    command.parent.mkdir()
    options = f'"$@" --repository "{_case / "repository"}"'
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m generator.runner {options}\n', encoding="utf-8")
    command.chmod(0o755)
    return package


def run(tool: Path, job: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Run the document; return the messages, and the values that the notebook printed if it ran."""
    given = tool / "job.json"
    given.write_text(json.dumps(job), encoding="utf-8")
    path = f"{tool.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    options = ("--quiet", "--preserve-environment", "PYTHONPATH", "--no-container", "--outdir", tool / "out")
    variables = {**os.environ, "PATH": path, "PYTHONPATH": str(here.parent)}
    finished = forked_programs.run(CWLTOOL, *options, tool / "process.cwl", given, env=variables)
    executed = tool / "out" / "output" / "process.ipynb"
    if not executed.exists():
        return finished.stderr, {}
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    printed = "".join(cells[-1]["outputs"][0]["text"]).splitlines()[0]
    return finished.stderr, json.loads(printed)


def test_values_keep_the_form_of_the_cell_from_the_document_to_the_kernel(tool: Path) -> None:
    aoi = {"type": "Feature", "id": "f1", "geometry": None, "properties": {"path": "x"}}
    job = {
        "end": "2021-02-03",
        "when": "2021-01-01T10:00:00+02:00",
        "n": 7,
        "area": [1, 2, 3, 4],
        "aoi": json.dumps(aoi),
        "text": '{"type": "Point", "coordinates": [1, 2]}',
        "days": ["2021-02-03"],
        "file": {"class": "File", "path": "example/0_aoi.geojson"},
    }

    messages, printed = run(tool, job)

    assert printed, messages
    assert printed["start"].startswith("'20")  # the document's "today-5d"
    assert printed["end"] == "datetime.date(2021, 2, 3)"
    assert printed["when"] == "datetime.datetime(2021, 1, 1, 8, 0)"
    assert printed["stamp"] == "'2020-01-31T12:00:00Z'"
    assert printed["days"] == "[datetime.date(2021, 2, 3)]"
    assert (printed["n"], printed["area"]) == ("7", "[1, 2, 3, 4]")
    assert printed["aoi"] == repr(aoi)
    assert printed["text"] == repr(job["text"])


def test_a_value_outside_is_refused_before_a_kernel_starts(tool: Path) -> None:
    messages, printed = run(tool, {"n": 30, "start": "2014-01-01", "area": [1, 2], "speed": 0})

    assert printed == {}
    assert "n is 30, but an int from 1 to 10 K is needed" in messages
    assert "start is '2014-01-01', but a date from 2015-06-23 to today is needed" in messages
    assert "area is [1, 2], but a bounding box is four numbers" in messages
    assert "speed is 0, but a float above 0 m s-1 is needed" in messages
