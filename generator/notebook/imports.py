"""Find the imports in the code cells of a Python notebook with ``ast``, without running or importing anything."""

from __future__ import annotations

import ast
import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from generator.notebook.languages.python_text import blank_magics
from generator.notebook.notebook import Cell

_PYTHON = r"(?:\S{0,200}python[\d.]*|\{sys\.executable\})"
_INSTALLER = rf"(?:{_PYTHON}\s+-m\s+)?(?:uv\s+)?(?:pip[\d.]*|conda|mamba)(?:\s+-\S+)*\s+install\b"
_INSTALLS = re.compile(rf"\s*(?:[%!]\s*)?{_INSTALLER}")
_BARE_INSTALL = re.compile(r"(?m)^([ \t]*)(?=(?:pip|conda|mamba) install\b)")
_INSTALLS_BY_CALL = re.compile(
    r"""["']pip3?["']\s*,\s*["']install["']|\b(?:system|run|call|check_\w+|Popen)\(\s*f?["']""" + _INSTALLER
)
_PYTHON_CELL_MAGICS = {"time", "timeit", "capture", "prun"}
_SHELL_CELL_MAGICS = {"bash", "sh", "script", "system", "sx"}
_WRITES = re.compile(r"\s*%%(?:writefile|file)\s+(?:-a\s+)?(\S+)")
_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_NO_CELLS = frozenset({"__future__", "__main__"})
_TryStar = getattr(ast, "TryStar", ast.Try)  # since Python 3.11


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """A module that a cell imports, by its top-level name; ``certain`` if every run reaches the import.

    ``name`` is the whole dotted name, which identifies the distribution of a namespace such as ``google``.
    """

    module: str
    cell: int
    line: int
    certain: bool
    name: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Imports:
    """All imports of a notebook, the first of each module, without modules that a cell writes itself.

    ``installs`` are the numbers of cells that install packages, ``searches_elsewhere`` is true if a cell changes
    Python's module search path.
    """

    modules: tuple[Import, ...] = ()
    installs: tuple[int, ...] = ()
    searches_elsewhere: bool = False


def read_imports(cells: Iterable[Cell]) -> Imports:
    """Read the imports of the code cells; cells that cannot be parsed are skipped."""
    code = [cell for cell in cells if cell.kind == "code"]
    written = {module for cell in code for module in _modules_written_by(cell)}
    found: dict[str, Import] = {}
    for cell in code:
        for one in _imports_of(cell):
            if one.module not in found or (one.certain and not found[one.module].certain):
                found[one.module] = one
    read = (one for one in found.values() if one.module not in written)
    return Imports(
        modules=tuple(sorted(read, key=lambda one: (one.cell, one.line, one.module))),
        installs=tuple(cell.number for cell in code if _installs(cell)),
        searches_elsewhere=any(re.search(r"\bsys\.path\b|\bsite\.addsitedir\b", cell.source) for cell in code),
    )


def modules_below(repository: Path) -> set[str]:
    """Collect the names of modules and packages anywhere in a repository, as a notebook may change the search path.

    A folder above a module is a package too, even without an ``__init__.py`` (PEP 420).
    """
    names: set[str] = set()
    for root, folders, files in os.walk(repository):
        folders[:] = [name for name in folders if not name.startswith(".")]
        modules = {name.partition(".")[0] for name in files if name.endswith((".py", ".so"))} - {""}
        names |= modules | ({repository.name, *Path(root).relative_to(repository).parts} if modules else set())
    return names


def _modules_written_by(cell: Cell) -> Iterator[str]:
    written = _WRITES.match(cell.source)
    if written and written[1].endswith(".py"):
        path = PurePosixPath(written[1])
        yield from (path.stem, *path.parent.parts)


def _installs(cell: Cell) -> bool:
    magic = _cell_magic(cell)
    if magic and magic[1] not in _PYTHON_CELL_MAGICS | _SHELL_CELL_MAGICS:
        return False
    return any(map(_INSTALLS.match, cell.source.splitlines())) or bool(_INSTALLS_BY_CALL.search(cell.source))


def _cell_magic(cell: Cell) -> re.Match[str] | None:
    return re.match(r"\s*%%(\w+)[^\n]*", cell.source)


def _imports_of(cell: Cell) -> Iterator[Import]:
    magic = _cell_magic(cell)
    if magic and magic[1] not in _PYTHON_CELL_MAGICS:
        return
    source = "\n" * magic[0].count("\n") + cell.source[magic.end() :] if magic else cell.source
    source = _BARE_INSTALL.sub(r"\1%", source)  # IPython reads it as a magic
    try:
        tree = ast.parse(blank_magics(textwrap.dedent(source))[0])
        for name, line, certain in _walk(tree.body, certain=True):
            module = name.partition(".")[0]
            if module not in _NO_CELLS:
                yield Import(module=module, cell=cell.number, line=line, certain=certain, name=name)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return


def _walk(statements: Iterable[ast.stmt], *, certain: bool) -> Iterator[tuple[str, int, bool]]:
    """Yield name, line and certainty of every import, except those that a ``try`` guards."""
    for statement in statements:
        match statement:
            case ast.Import():
                yield from ((alias.name, statement.lineno, certain) for alias in statement.names)
            case ast.ImportFrom(level=0, module=str(module)):
                inner = statement.names[0].name
                yield module if inner == "*" else f"{module}.{inner}", statement.lineno, certain
            case ast.With() | ast.AsyncWith():
                if not any(_suppresses(item.context_expr) for item in statement.items):
                    yield from _walk(statement.body, certain=certain)
            case ast.Try() | _TryStar():
                yield from _walk_try(statement, certain=certain)
            case ast.If() if "TYPE_CHECKING" in ast.unparse(statement.test):
                yield from _walk(statement.orelse, certain=False)
            case _:
                yield from _dynamic_imports(statement)
                yield from _walk(_statements_in(statement), certain=False)


def _walk_try(statement: ast.Try, *, certain: bool) -> Iterator[tuple[str, int, bool]]:
    if not any(handler.type is None or _names_import_errors(handler.type) for handler in statement.handlers):
        yield from _walk(statement.body, certain=certain)
        yield from _walk((inner for handler in statement.handlers for inner in handler.body), certain=False)
        yield from _walk(statement.orelse, certain=certain)
    yield from _walk(statement.finalbody, certain=certain)


def _statements_in(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements one level further in."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.match_case):
            yield from child.body


def _dynamic_imports(statement: ast.stmt) -> Iterator[tuple[str, int, bool]]:
    """Yield ``importlib.import_module("name")`` calls, never certain since the code may handle their failure."""
    expressions = (child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.expr))
    for node in (inner for expression in expressions for inner in ast.walk(expression)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ) if name and not name.startswith("."):
                yield name, node.lineno, False


def _suppresses(expression: ast.expr) -> bool:
    """Return whether the expression is ``contextlib.suppress`` of an import error."""
    match expression:
        case ast.Call(func=ast.Attribute(attr="suppress") | ast.Name(id="suppress"), args=arguments):
            return any(map(_names_import_errors, arguments))
    return False


def _names_import_errors(expression: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id in _CAUGHT for node in ast.walk(expression))
