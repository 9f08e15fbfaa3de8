"""What a parameters cell says, language by language: one small module each, all with ``read(source) -> Reading``.

Nothing of a cell is ever run or evaluated but its literals.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from generator.notebook.parameters import Reading

Reader = Callable[[str], Reading]

_modules = {
    "python": "python",
    "python2": "python",
    "python3": "python",
    "ipython": "python",
    "xpython": "python",
    "pyspark": "python",
    "pysparkkernel": "python",
    "r": "r",
    "ir": "r",
    "xr": "r",
    "sparkrkernel": "r",
    "julia": "julia",
    "bash": "bash",
}


def reader_of(language: str) -> Reader | None:
    """The reader of a language by its Jupyter name, or None where packmill has none."""
    name = _modules.get(language.lower()) or (_modules["julia"] if language.lower().startswith("julia-") else None)
    if name is None:
        return None
    read: Reader = import_module(f"generator.notebook.languages.{name}").read
    return read
