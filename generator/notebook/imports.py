"""Find the imports in the code cells of a Python notebook with ``ast``, without running or importing anything."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from generator.notebook.languages.python_text import blank_magics
from generator.notebook.notebook import Cell
from generator.notebook.preparations import (
    PYTHON_CELL_MAGICS,
    Position,
    cell_magic,
    find_first,
    installs_packages,
    line_that_prepares,
    line_that_searches_elsewhere,
)

_BARE_INSTALL = re.compile(r"(?m)^([ \t]*)(?=(?:pip|conda|mamba) install\b)")
_WRITES = re.compile(r"\s*%%(?:writefile|file)\s+(?:-a\s+)?(\S+)")
_MAY_WRITE = re.compile(r"^[ \t]*[!%]|\b(?:open|write_text|write_bytes|Path|urlretrieve|copy\w*)\(")
"""What may create a module in a line, such as ``!wget https://…/trees.py`` or ``open("trees.py", "w")``."""
_MODULE_FILE = re.compile(r"\b(\w+)\.py\b")
_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_SKIPPED, _MAY_FAIL = "skip-execution", "raises-exception"
"""Tags of cells, as in nbclient."""
_NO_CELLS = frozenset({"__future__", "__main__"})
_Found = tuple[str, str, int, bool]
_TryStar = getattr(ast, "TryStar", ast.Try)  # since Python 3.11


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """A module that a cell imports, by its top-level name; ``certain`` if every run reaches the import.

    ``name`` is the whole dotted name, which identifies the distribution of a namespace such as ``google``;
    ``statement`` is the import as source text, empty for a call of ``import_module``.
    """

    module: str
    cell: int
    line: int
    certain: bool
    name: str = field(default="", compare=False)
    statement: str = field(default="", compare=False)

    @property
    def position(self) -> Position:
        """The cell and the line of the import."""
        return self.cell, self.line


@dataclass(frozen=True, kw_only=True, slots=True)
class Imports:
    """All imports of a notebook, the first of each module, without modules that a cell writes itself.

    ``statements`` are the imports that every run executes, each statement once. ``installs`` are the numbers of cells
    that install packages. From ``searches_elsewhere`` on, the notebook may find other modules, because it installs
    packages or changes Python's module search path; from ``prepares`` on, imports may depend on what the notebook did
    before, such as setting an environment variable.
    """

    modules: tuple[Import, ...] = ()
    statements: tuple[Import, ...] = ()
    installs: tuple[int, ...] = ()
    searches_elsewhere: Position | None = None
    prepares: Position | None = None


def read_imports(cells: Iterable[Cell]) -> Imports:
    """Read the imports of the code cells; cells that cannot be parsed are skipped."""
    code = [cell for cell in cells if cell.kind == "code" and _SKIPPED not in cell.tags]
    written = {module for cell in code for module in _modules_written_by(cell)}
    may_be_written = {module for cell in code for module in _modules_that_lines_may_write(cell)}
    found: dict[str, Import] = {}
    statements: dict[str, Import] = {}
    for one in (one for cell in code for one in _imports_of(cell) if one.module not in written):
        if one.module in may_be_written:
            one = replace(one, certain=False)  # noqa: PLW2901
        if one.module not in found or (one.certain and not found[one.module].certain):
            found[one.module] = one
        if one.certain:
            statements.setdefault(one.statement, one)
    return Imports(
        modules=_in_order(found.values()),
        statements=_in_order(statements.values()),
        installs=tuple(cell.number for cell in code if installs_packages(cell)),
        searches_elsewhere=find_first(code, line_that_searches_elsewhere),
        prepares=find_first(code, line_that_prepares),
    )


def _in_order(imports: Iterable[Import]) -> tuple[Import, ...]:
    return tuple(sorted(imports, key=lambda one: one.position))


def _modules_written_by(cell: Cell) -> Iterator[str]:
    written = _WRITES.match(cell.source)
    if written and written[1].endswith(".py"):
        path = PurePosixPath(written[1])
        yield from (path.stem, *path.parent.parts)


def _modules_that_lines_may_write(cell: Cell) -> Iterator[str]:
    for line in cell.source.splitlines():
        if _MAY_WRITE.search(line) and not line.lstrip().startswith("#"):
            yield from _MODULE_FILE.findall(line)


def _imports_of(cell: Cell) -> Iterator[Import]:
    magic = cell_magic(cell)
    if magic and magic[1] not in PYTHON_CELL_MAGICS:
        return
    source = "\n" * magic[0].count("\n") + cell.source[magic.end() :] if magic else cell.source
    source = _BARE_INSTALL.sub(r"\1%", source)  # IPython reads it as a magic
    try:
        tree = ast.parse(blank_magics(textwrap.dedent(source))[0])
        for name, statement, line, certain in _walk(tree.body, certain=_MAY_FAIL not in cell.tags):
            module = name.partition(".")[0]
            if module not in _NO_CELLS:
                yield Import(
                    module=module, cell=cell.number, line=line, certain=certain, name=name, statement=statement
                )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return


def _walk(statements: Iterable[ast.stmt], *, certain: bool) -> Iterator[_Found]:
    """Yield name, source, line and certainty of every import, except those that a ``try`` guards."""
    for statement in statements:
        match statement:
            case ast.Import():
                for alias in statement.names:
                    yield alias.name, ast.unparse(ast.Import([alias])), statement.lineno, certain
            case ast.ImportFrom(level=0, module=str(module)):
                inner = statement.names[0].name
                name = module if inner == "*" else f"{module}.{inner}"
                yield name, ast.unparse(statement), statement.lineno, certain
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


def _walk_try(statement: ast.Try, *, certain: bool) -> Iterator[_Found]:
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


def _dynamic_imports(statement: ast.stmt) -> Iterator[_Found]:
    """Yield ``importlib.import_module("name")`` calls, never certain since the code may handle their failure."""
    expressions = (child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.expr))
    for node in (inner for expression in expressions for inner in ast.walk(expression)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ) if name and not name.startswith("."):
                yield name, "", node.lineno, False


def _suppresses(expression: ast.expr) -> bool:
    """Return whether the expression is ``contextlib.suppress`` of an import error."""
    match expression:
        case ast.Call(func=ast.Attribute(attr="suppress") | ast.Name(id="suppress"), args=arguments):
            return any(map(_names_import_errors, arguments))
    return False


def _names_import_errors(expression: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id in _CAUGHT for node in ast.walk(expression))
