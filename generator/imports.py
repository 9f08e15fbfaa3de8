"""What the code cells of a Python notebook import, read with ``ast``: nothing is run, nothing is imported."""

from __future__ import annotations

import ast
import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from generator.languages.python_text import without_magics
from generator.notebook import Cell

_INSTALLS = re.compile(r"\s*[%!]\s*(?:\S*python[\d.]*\s+-m\s+)?(?:uv\s+)?(?:pip3?|conda|mamba)\s+install\b")
_PYTHON_CELL_MAGICS = {"time", "timeit", "capture", "prun"}
_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_NO_CELLS = frozenset({"__future__", "__main__"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """A module that a cell imports, by its top-level name; ``certain`` when nothing keeps a run from getting there."""

    module: str
    cell: int
    line: int
    certain: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Imports:
    """All imports of a notebook, the first of each module.

    ``installs`` are the cells that install packages when they run, ``searches_elsewhere`` says that a cell changes
    where Python looks for modules.
    """

    modules: tuple[Import, ...] = ()
    installs: tuple[int, ...] = ()
    searches_elsewhere: bool = False


def read_imports(cells: Iterable[Cell]) -> Imports:
    """What the code cells import; a cell that cannot be parsed says nothing."""
    code = [cell for cell in cells if cell.kind == "code"]
    found: dict[str, Import] = {}
    for cell in code:
        for one in _imports_of(cell):
            if one.module not in found or (one.certain and not found[one.module].certain):
                found[one.module] = one
    return Imports(
        modules=tuple(sorted(found.values(), key=lambda one: (one.cell, one.line, one.module))),
        installs=tuple(cell.number for cell in code if any(map(_INSTALLS.match, cell.source.splitlines()))),
        searches_elsewhere=any(re.search(r"\bsys\.path\b|\bsite\.addsitedir\b", cell.source) for cell in code),
    )


def modules_below(repository: Path) -> set[str]:
    """Names of modules and packages anywhere in a repository: a notebook may look for them where they are."""
    names: set[str] = set()
    for root, folders, files in os.walk(repository):
        folders[:] = [name for name in folders if not name.startswith(".")]
        modules = {name.removesuffix(".py") for name in files if name.endswith(".py")}
        names |= modules | ({Path(root).name} if modules else set())
    return names


def _imports_of(cell: Cell) -> Iterator[Import]:
    magic = re.match(r"\s*%%(\w+)[^\n]*", cell.source)
    if magic and magic[1] not in _PYTHON_CELL_MAGICS:
        return
    source = cell.source if magic is None else "\n" + cell.source[magic.end() :].removeprefix("\n")
    try:
        tree = ast.parse(without_magics(textwrap.dedent(source))[0])
        for module, line, certain in _walk(tree.body, certain=True):
            if module not in _NO_CELLS:
                yield Import(module=module, cell=cell.number, line=line, certain=certain)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return


def _walk(statements: Iterable[ast.stmt], *, certain: bool) -> Iterator[tuple[str, int, bool]]:
    """Module, line and certainty of every import; those that a ``try`` guards are left out."""
    for statement in statements:
        match statement:
            case ast.Import():
                yield from ((alias.name.partition(".")[0], statement.lineno, certain) for alias in statement.names)
            case ast.ImportFrom(level=0, module=str(module)):
                yield module.partition(".")[0], statement.lineno, certain
            case ast.With() | ast.AsyncWith():
                yield from _walk(statement.body, certain=certain)
            case ast.Try():
                if not any(_catches(handler) for handler in statement.handlers):
                    yield from _walk(statement.body, certain=certain)
                    yield from _walk(statement.orelse, certain=certain)
                yield from _walk(statement.finalbody, certain=certain)
            case ast.If() if "TYPE_CHECKING" in ast.unparse(statement.test):
                yield from _walk(statement.orelse, certain=False)
            case _:
                for inner in ("body", "orelse"):
                    yield from _walk(getattr(statement, inner, ()), certain=False)


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(node, ast.Name) and node.id in _CAUGHT for node in ast.walk(handler.type))
