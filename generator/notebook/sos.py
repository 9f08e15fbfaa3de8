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


def language_of_cell(cell: Any, notebook: Any) -> str:
    """Return the language of a cell, in lower case, from the metadata of the cell and the notebook."""
    kernel = kernel_of_cell(cell, notebook)
    rows = _mapping(_mapping(notebook).get("sos")).get("kernels")
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, list) and row[:1] == [kernel]:
            words = [word for word in row[1:3] if isinstance(word, str)]
            found = next(filter(None, map(language_of_kernel, words)), "")
            if found:
                return found
    return language_of_kernel(kernel) or kernel.lower()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
