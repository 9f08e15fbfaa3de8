"""SoS notebooks, in which every code cell has a kernel of its own.

A cell names its kernel in ``metadata.kernel``; the notebook's ``metadata.sos`` has the default, and a row for each
kernel: SoS's name, the kernelspec's name, the language (SoS's documentation, "Notebook format").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.notebook.kernel_names import language_of_kernel

OWN_KERNEL = "SoS"
"""SoS's name of its own language, a Python with workflows."""


def is_sos(language: str) -> bool:
    """Return whether a notebook of this language is one of SoS."""
    return language.lower() == "sos"


def kernel_of_cell(cell: Any, notebook: Any) -> str:
    """Return SoS's name of a cell's kernel, from the metadata of the cell and the notebook."""
    default = _mapping(_mapping(notebook).get("sos")).get("default_kernel")
    named = (_mapping(cell).get("kernel"), default)
    return next((name for name in named if isinstance(name, str) and name), OWN_KERNEL)


def kernelspec_of_cell(cell: Any, notebook: Any) -> str:
    """Return the kernelspec's name of a cell's kernel, or '' if the notebook does not have it."""
    return _row(cell, notebook)[0]


def language_of_cell(cell: Any, notebook: Any) -> str:
    """Return the language of a cell, in lower case, from the metadata of the cell and the notebook."""
    kernel = kernel_of_cell(cell, notebook)
    named = next(filter(None, map(language_of_kernel, _row(cell, notebook))), "")
    return named or language_of_kernel(kernel) or kernel.lower()


def _row(cell: Any, notebook: Any) -> tuple[str, str]:
    """Return the kernelspec and the language of a cell's kernel, as the notebook names them."""
    kernel = kernel_of_cell(cell, notebook)
    rows = _mapping(_mapping(notebook).get("sos")).get("kernels")
    found = [row for row in rows if isinstance(row, list) and row[:1] == [kernel]] if isinstance(rows, list) else []
    words = [word if isinstance(word, str) else "" for word in (found[0][1:3] if found else [])]
    kernelspec, language = (*words, "", "")[:2]
    return kernelspec, language


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
