"""The heading of a notebook, which names it if no other source does."""

from __future__ import annotations

import re

from generator.metadata.metadata import Metadata, state
from generator.notebook.notebook import Notebook


def read(notebook: Notebook) -> Metadata:
    """Return the first heading as the name."""
    return state(f"{notebook.name}, its heading", name=notebook.title)


def is_title(notebook: Notebook) -> bool:
    """Whether the first heading is the notebook's title: one of the first level, above all code."""
    above = []
    for cell in notebook.cells:
        if cell.kind == "code":
            break
        above.append(cell.source)
    heading = re.search(r"^(#{1,3})[ \t]+\S", "\n".join(above), re.MULTILINE)
    return heading is not None and heading[1] == "#"
