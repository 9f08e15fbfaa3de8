"""Read notebooks that follow another tool's conventions: one module for each dialect, all with ``read(notebook)``.

A dialect is read only if no cell is tagged ``parameters``, and its module is imported only if a code cell mentions it,
so other notebooks pay a search for a few words.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from generator.notebook.dialects.dialect import Dialect
from generator.notebook.notebook import Notebook

_marks = (
    ("ipython2cwl", ("CWL",)),
    ("colab", ("@param",)),
    ("kale", ("pipeline-parameters",)),
    ("environment", ("environ.get(", "getenv(")),
)
"""The modules in the order in which they are tried, and words without which a notebook is not of the dialect."""


def read_dialect(notebook: Notebook) -> Dialect | None:
    """Return the meaning of the notebook in the first dialect that finds an input or an output in it."""
    if not notebook.parameters_language.startswith(("python", "ipython", "xpython")):
        return None
    texts = [text for cell in notebook.cells if cell.kind == "code" for text in (*cell.tags, cell.source)]
    for name, marks in _marks:
        if any(mark in text for mark in marks for text in texts):
            read: Callable[[Notebook], Dialect] = import_module(f"generator.notebook.dialects.{name}").read
            dialect = read(notebook)
            if dialect.reading.parameters or dialect.reading.mistakes:
                return dialect
    return None
