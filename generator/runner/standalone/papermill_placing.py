"""Values that papermill injected, moved to where a notebook in another tool's dialect reads them."""

from __future__ import annotations

import json
import uuid
from collections.abc import MutableMapping
from typing import Any

import nbformat

from generator.notebook.interface import read_interface
from generator.notebook.notebook import read_notebook
from generator.notebook.placement import Placement
from generator.runner.document.injection import PARAMETERS_TAG, choose_translator, find_injected
from generator.runner.document.placing import place
from generator.runner.standalone import addresses
from generator.shared.errors import PackmillError


class NotebookCells:
    """The cells of papermill's notebook, kept in memory."""

    def __init__(self, nb: Any) -> None:
        self._nb = nb
        self.metadata = nb.metadata

    def __len__(self) -> int:
        return len(self._nb.cells)

    def cell(self, index: int) -> MutableMapping[str, Any]:
        """Return a cell."""
        cell: MutableMapping[str, Any] = self._nb.cells[index]
        return cell

    def insert(self, index: int, cell: dict[str, Any]) -> None:
        """Insert a cell before the one at ``index``."""
        self._nb.cells.insert(index, nbformat.from_dict(cell))

    def replace(self, index: int, cell: dict[str, Any]) -> None:
        """Replace a cell."""
        self._nb.cells[index] = nbformat.from_dict(cell)

    def new_id(self, _seed: str) -> str:
        """Return an unused cell id."""
        return uuid.uuid4().hex[:8]


def tag_cell(nb: Any, number: int) -> None:
    """Tag the requested cell, and move the injected cell after it.

    Raises:
        ValueError: the notebook has no code cell with this number.
    """
    cells = NotebookCells(nb)
    injected = find_injected(cells)
    moved = nb.cells.pop(injected) if injected is not None else None
    if not 1 <= number <= len(nb.cells) or nb.cells[number - 1].cell_type != "code":
        raise ValueError(f"parameters_cell={number}: not a code cell of the notebook")
    metadata = nb.cells[number - 1].metadata
    metadata["tags"] = [*(tag for tag in metadata.get("tags", []) if tag != PARAMETERS_TAG), PARAMETERS_TAG]
    if moved is not None:
        nb.cells.insert(number, moved)


def follow_dialect(nb: Any, kernel: str, language: str, *, report_mode: bool, path: str = "") -> None:
    """Change a notebook with papermill's injected cell as packmill's own runs change it."""
    cells = NotebookCells(nb)
    injected = find_injected(cells)
    own = [cell for index, cell in enumerate(nb.cells) if index != injected]
    placement = _read_placement(nb, own, path)
    translator = choose_translator(cells, kernel, language) if placement else None
    if placement is None or translator is None:
        return
    nb.cells = own
    values = (nb.metadata.get("papermill") or {}).get("parameters") or {}
    place(cells, values, translator, placement, report_mode=report_mode)


def _read_placement(nb: Any, cells: list[Any], path: str) -> Placement | None:
    """Return the placement of a notebook; None if its cells cannot be read, which papermill leaves to the kernel."""
    sources = [{key: cell[key] for key in ("cell_type", "metadata", "source")} for cell in cells]
    text = json.dumps({"cells": sources, "metadata": nb.metadata, "nbformat": 4})
    try:
        return read_interface(read_notebook(text.encode(), ""), sidecar=addresses.sidecar(path)).placement
    except PackmillError:
        return None
