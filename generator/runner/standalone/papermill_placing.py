"""Values that papermill injected, as dates of the notebook's own form, and where another tool's dialect reads them."""

from __future__ import annotations

import json
import uuid
from collections.abc import MutableMapping
from datetime import datetime, timezone
from typing import Any

import nbformat

from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.literals import MisfitError, fit
from generator.notebook.notebook import read_notebook
from generator.notebook.parameters import Format
from generator.runner.document.injection import PARAMETERS_TAG, choose_translator, find_injected, inject
from generator.runner.document.placing import place
from generator.runner.packaged.earth_values import resolved_defaults, with_dates
from generator.runner.packaged.values import explain_misfit
from generator.runner.standalone import addresses
from generator.shared.errors import PackmillError
from generator.shared.json_text import spell_non_finite


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
    interface = _read_interface(nb, own, path)
    values = (nb.metadata.get("papermill") or {}).get("parameters") or {}
    dated = _with_dates(values, interface)
    if interface.placement is None and dated == values:
        return
    translator = choose_translator(cells, kernel, language)
    if translator is None:
        return
    if interface.placement is None:
        inject(cells, dated, translator, report_mode=report_mode)
    else:
        nb.cells = own
        place(cells, dated, translator, interface.placement, report_mode=report_mode)
    if dated != values:
        nb.metadata.setdefault("papermill", {})["parameters"] = spell_non_finite(dated)


def _with_dates(values: dict[str, Any], interface: Interface) -> dict[str, Any]:
    """Return papermill's values with the dates in the form of the cell, and those of words such as ``today``.

    Raises:
        ValueError: a date is not valid, or not within its bounds.
    """
    now, wrong = datetime.now(timezone.utc), list[str]()
    found = dict(values)
    dates = [one for one in interface.inputs if one.hint.format in (Format.DATE, Format.DATETIME)]
    for one in dates:
        if found.get(one.name) is not None:
            try:
                found[one.name] = with_dates(fit(found[one.name], one.hint), one, now)
            except MisfitError as error:
                wrong.append(explain_misfit(one, error))
    found |= resolved_defaults((one for one in dates if one.name not in found), now, wrong)
    if wrong:
        raise ValueError("\n".join(wrong))
    return found


def _read_interface(nb: Any, cells: list[Any], path: str) -> Interface:
    """Return the interface of a notebook, or an empty one: papermill leaves cells that cannot be read to the kernel."""
    sources = [{key: cell[key] for key in ("cell_type", "metadata", "source")} for cell in cells]
    text = json.dumps({"cells": sources, "metadata": nb.metadata, "nbformat": 4})
    try:
        return read_interface(read_notebook(text.encode(), ""), sidecar=addresses.sidecar(path))
    except PackmillError:
        return Interface()
