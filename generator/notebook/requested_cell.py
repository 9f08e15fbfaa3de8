"""A parameters cell that a request names by its number, for notebooks of tools that take the first cell."""

from __future__ import annotations

import json
from typing import Any

from generator.notebook.notebook import decode_notebook, read_notebook, worksheet_cells
from generator.shared.errors import NotebookError

_TAG = "parameters"


def tag_parameters_cell(data: bytes, number: int | None, name: str) -> bytes:
    """Return the notebook with the tag on the cell with this number, from 1, and on no other; unchanged without one.

    Raises:
        NotebookError: data is not a valid notebook, or the cell is not a code cell of it.
    """
    if number is None:
        return data
    cells = read_notebook(data, name).cells
    chosen = next((cell for cell in cells if cell.number == number), None)
    if chosen is None or chosen.kind != "code":
        problem = "is not a code cell" if chosen else f"does not exist, the notebook has {len(cells)}"
        codes = ", ".join([str(cell.number) for cell in cells if cell.kind == "code"][:10])
        raise NotebookError(
            f"{name}: --parameters-cell {number}: cell {number} {problem}; code cells: {codes or 'none'}"
        )
    document = json.loads(decode_notebook(data, name))
    for place, cell in enumerate(_raw_cells(document), start=1):
        _set_tag(cell, tagged=place == number)
    return json.dumps(document, ensure_ascii=True).encode()


def _raw_cells(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["cells"]) if document["nbformat"] == 4 else worksheet_cells(document)


def _set_tag(cell: dict[str, Any], *, tagged: bool) -> None:
    """Add or remove the tag; a cell with it elsewhere keeps its other tags."""
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    tags = metadata.get("tags")
    others = [tag for tag in tags if tag != _TAG] if isinstance(tags, list) else []
    if tagged:
        cell["metadata"] = {**metadata, "tags": [*others, _TAG]}
    elif isinstance(tags, list) and _TAG in tags:
        cell["metadata"] = {**metadata, "tags": others}
