"""Notebooks in the dialects of other tools: ``cells.py`` of a case folder, in which ``# %% tag …`` begins a cell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from support import notebook


def dialect_notebook(case: Path) -> dict[str, Any]:
    """The notebook of a case folder."""
    parts = re.split(r"(?m)^# %%", (case / "cells.py").read_text(encoding="utf-8"))[1:]
    cells = [part.partition("\n") for part in parts]
    document = notebook(*(source.rstrip("\n") for _, _, source in cells), tags=())
    for cell, (head, _, _) in zip(document["cells"], cells, strict=True):
        cell["metadata"]["tags"] = head.split()
    return document
