"""Find the first line of a Python notebook after which an import may depend on what the notebook did before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from generator.notebook.notebook import Cell

Position = tuple[int, int]
"""The number of a cell and of a line in it, both from 1."""

PYTHON_CELL_MAGICS = {"time", "timeit", "capture", "prun"}
_SHELL_CELL_MAGICS = {"bash", "sh", "script", "system", "sx"}

_PYTHON = r"(?:\S{0,200}python[\d.]*|\{sys\.executable\})"
_INSTALLER = rf"(?:{_PYTHON}\s+-m\s+)?(?:uv\s+)?(?:pip[\d.]*|conda|mamba)(?:\s+-\S+)*\s+install\b"
_INSTALLS = re.compile(rf"(?m)^[ \t]*(?:[%!]\s*)?{_INSTALLER}")
_INSTALLS_BY_CALL = re.compile(
    r"""["']pip3?["']\s*,\s*["']install["']|\b(?:system|run|call|check_\w+|Popen)\(\s*f?["']""" + _INSTALLER
)
_CHANGES_PATH = re.compile(r"\bsys\.(?:path|path_hooks|meta_path)\b|\bsite\.addsitedir\b")
_PREPARES = re.compile(
    r"\benviron\b[^\n=]{0,200}=(?!=)|\benviron\.(?:update|setdefault)\b|\bputenv\(|\bload_dotenv\(|%(?:set_)?env\s+\S"
    r"|\bsys\.modules\b|\bsetattr\(|\bos\.chdir\(|^[ \t]*%(?:cd|run)\s"
    r"|^(?!self\.)[ \t]*\w+(?:\.\w+)+\s*=(?!=)",  # such as ``numpy.float = float``
    re.MULTILINE,
)


def find_first(cells: Iterable[Cell], find: Callable[[Cell], int]) -> Position | None:
    """Return the position of the first line that ``find`` returns; it returns 0 for a cell without one."""
    return next(((cell.number, line) for cell in cells if (line := find(cell))), None)


def installs_packages(cell: Cell) -> bool:
    """Return whether a cell installs packages."""
    return line_that_installs(cell) > 0


def line_that_installs(cell: Cell) -> int:
    """Return the number of the first line that installs packages, or 0."""
    magic = cell_magic(cell)
    if magic and magic[1] not in PYTHON_CELL_MAGICS | _SHELL_CELL_MAGICS:
        return 0
    return _first_line(cell, _INSTALLS, _INSTALLS_BY_CALL)


def line_that_searches_elsewhere(cell: Cell) -> int:
    """Return the number of the first line that installs packages or changes the search path for modules, or 0."""
    lines = [line for line in (line_that_installs(cell), _first_line(cell, _CHANGES_PATH)) if line]
    return min(lines, default=0)


def line_that_prepares(cell: Cell) -> int:
    """Return the number of the first line that an import further down may depend on, or 0."""
    lines = [line for line in (line_that_searches_elsewhere(cell), _first_line(cell, _PREPARES)) if line]
    return min(lines, default=0)


def cell_magic(cell: Cell) -> re.Match[str] | None:
    """Match the first line of a cell with a cell magic; the first group is its name."""
    return re.match(r"\s*%%(\w+)[^\n]*", cell.source)


def _first_line(cell: Cell, *patterns: re.Pattern[str]) -> int:
    found = [match.start() for pattern in patterns if (match := pattern.search(cell.source))]
    # A match may start with the indentation of its line, never with the end of the line before.
    return cell.source.count("\n", 0, min(found)) + 1 if found else 0
