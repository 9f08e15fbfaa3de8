"""Read a parameters cell: one module for each language, all with ``read(source) -> Reading``.

Only the literals of a cell are evaluated; no code is run.
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
    "zsh": "zsh",
    "sos": "sos",
    "octave": "octave",
    "javascript": "javascript",
    "js": "javascript",
    "nodejs": "javascript",
    "typescript": "typescript",
    "ts": "typescript",
    "scheme": "scheme",
    "calysto scheme": "scheme",
    "lua": "lua",
    "gnuplot": "gnuplot",
    "powershell": "powershell",
    "pwsh": "powershell",
}

_comment_marks = {"javascript": "//", "typescript": "//", "lua": "--", "scheme": ";"}


def reader_of(language: str) -> Reader | None:
    """Return the reader of a language by its Jupyter name, or None if the language is not supported."""
    name = _modules.get(language.lower()) or (_modules["julia"] if language.lower().startswith("julia-") else None)
    if name is None:
        return None
    read: Reader = import_module(f"generator.notebook.languages.{name}").read
    return read


def comment_mark(language: str) -> str:
    """Return what begins a comment in a language that has a reader."""
    return _comment_marks.get(_modules.get(language.lower(), ""), "#")
