"""Read notebooks that follow another tool's conventions, one module for each dialect.

Most have ``read(notebook)``, for notebooks in which no cell is tagged ``parameters``. Dialects that may also be in a
tagged cell have ``refine(notebook, cell, reading)``, for the types that their comments or annotations add to it. A
module is imported only if a code cell mentions its dialect, so other notebooks pay a search for a few words.

Python parses expressions that are nested deeper than it can walk, such as chains of a thousand attributes; a dialect
that fails on one is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from generator.notebook.dialects.dialect import Dialect
from generator.notebook.dialects.sidecar import Sidecar, no_sidecar
from generator.notebook.notebook import Cell, Notebook
from generator.notebook.parameters import Reading

_marks = (
    ("ipython2cwl", ("CWL",)),
    ("colab", ("@param",)),
    ("kale", ("pipeline-parameters",)),
    ("environment", ("environ.get(", "getenv(")),
)
"""The modules in the order in which they are tried, and words without which a notebook is not of the dialect."""

_refinements = (
    ("nb2workflow", ("oda:", "odahub.io/ontology#"), "outputs"),
    ("xcengine", ("xcengine_config",), ""),
    ("colab", ("@param",), ""),
    ("ipython2cwl", ("CWL",), ""),
)
"""The same for a parameters cell, with the tag of another cell that marks the dialect as well."""
_KNITR_TAG = "knitr-params"


def refine_reading(notebook: Notebook, cell: Cell, reading: Reading) -> Dialect | None:
    """Return the meaning of a parameters cell in the first dialect that it mentions."""
    if _KNITR_TAG in cell.tags:
        refine_knitr: Callable[[Notebook, Cell], Dialect | None]
        refine_knitr = import_module("generator.notebook.dialects.knitr").refine
        return refine_knitr(notebook, cell)
    if not _is_python(notebook):
        return None
    for name, marks, tag in _refinements:
        if any(mark in cell.source for mark in marks) or (tag and notebook.cells_with_tag(tag)):
            refine: Callable[[Notebook, Cell, Reading], Dialect | None]
            refine = import_module(f"generator.notebook.dialects.{name}").refine
            with suppress(RecursionError):
                if (dialect := refine(notebook, cell, reading)) is not None:
                    return dialect
    return None


def read_dialect(notebook: Notebook, sidecar: Sidecar = no_sidecar) -> Dialect | None:
    """Return the meaning of the notebook in the first dialect that finds an input or an output in it."""
    if not _is_python(notebook):
        return None
    if "parameters:" in (text := sidecar()):
        read_described: Callable[[Notebook, str], Dialect | None]
        read_described = import_module("generator.notebook.dialects.times_square").read
        if (described := read_described(notebook, text)) is not None:
            return described
    texts = [text for cell in notebook.cells if cell.kind == "code" for text in (*cell.tags, cell.source)]
    for name, marks in _marks:
        if any(mark in text for mark in marks for text in texts):
            read: Callable[[Notebook], Dialect] = import_module(f"generator.notebook.dialects.{name}").read
            with suppress(RecursionError):
                dialect = read(notebook)
                if dialect.reading.parameters or dialect.reading.mistakes:
                    return dialect
    return None


def _is_python(notebook: Notebook) -> bool:
    return notebook.parameters_language.startswith(("python", "ipython", "xpython"))
