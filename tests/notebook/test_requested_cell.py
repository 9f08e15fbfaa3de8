"""A request may name the parameters cell by its number, as nbparameterise takes the first one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, commit_all, notebook, write_notebook

from generator.notebook.notebook import read_notebook
from generator.notebook.requested_cell import tag_parameters_cell
from generator.shared.errors import NotebookError


def tagged(data: bytes) -> list[int]:
    return [cell.number for cell in read_notebook(data, "a.ipynb").cells_with_tag("parameters")]


@pytest.mark.parametrize("tags", [(), ("parameters",), ("parameters", "other")])
def test_the_requested_cell_alone_has_the_tag(tags: tuple[str, ...]) -> None:
    data = json.dumps(notebook("n = 1", "m = 2", tags=tags)).encode()

    assert tagged(tag_parameters_cell(data, 2, "a.ipynb")) == [2]
    assert tagged(tag_parameters_cell(data, 1, "a.ipynb")) == [1]


def test_without_a_request_nothing_changes() -> None:
    assert tag_parameters_cell(b"no notebook", None, "a.ipynb") == b"no notebook"


@pytest.mark.parametrize("others", [[], [{}], ["text", {"cells": None}, {"cells": ["text"]}]])
def test_the_first_cell_of_an_older_notebook_is_found(others: list[object]) -> None:
    cells = [{"cell_type": "code", "input": "n = 1", "language": "python", "metadata": {}}]
    sheets = [{"cells": cells}, *others]
    data = json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": sheets}).encode()

    assert tagged(tag_parameters_cell(data, 1, "a.ipynb")) == [1]


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        (1, "cell 1 is not a code cell; code cells: 2, 3"),
        (4, "cell 4 does not exist, the notebook has 3; code cells: 2, 3"),
        (-1, "cell -1 does not exist, the notebook has 3; code cells: 2, 3"),
    ],
)
def test_another_cell_is_refused(number: int, problem: str) -> None:
    document = notebook("# Title", "n = 1", "n = 2", tags=())
    document["cells"][0]["cell_type"] = "markdown"

    with pytest.raises(NotebookError) as refusal:
        tag_parameters_cell(json.dumps(document).encode(), number, "a.ipynb")

    assert str(refusal.value) == f"a.ipynb: --parameters-cell {number}: {problem}"


def test_a_package_passes_the_number_to_its_runs(packmill: Callable[..., Finished], tmp_path: Path) -> None:
    write_notebook(tmp_path / "r" / "process.ipynb", "import os", "stock = 'YHOO'\ndays = 30", tags=())
    commit_all(tmp_path / "r")

    inspected = packmill("inspect", tmp_path / "r", "--parameters-cell", "2", "--json")
    words = ("--no-image", "--output", tmp_path / "p", "--parameters-cell", "2", "--emit", "airflow")
    built = packmill("build", tmp_path / "r", *words)

    assert [one["name"] for one in inspected.json()["inputs"]] == ["stock", "days"]
    package = Path(built.out.strip().splitlines()[-1])
    assert "--parameters-cell" in (package / "process.cwl").read_text()
    (dag,) = (package / "airflow").glob("*_notebook.py")
    assert "parameters_cell=2," in dag.read_text()


def test_a_text_is_no_number(packmill: Callable[..., Finished], tmp_path: Path) -> None:
    finished = packmill("inspect", tmp_path, "--parameters-cell", "first")

    assert finished.code == 2
    assert "parameters cell 'first': not the number of a cell; give a whole number from 1" in finished.err
