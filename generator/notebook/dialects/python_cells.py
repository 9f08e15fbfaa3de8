"""Python cells that a dialect reads: their syntax tree, and the offsets of its nodes in the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from generator.notebook.languages.python_text import blank_magics, comments_in, lines_of
from generator.notebook.languages.python_trees import parse_statements
from generator.notebook.notebook import Notebook
from generator.notebook.parameters import Remark
from generator.notebook.preparations import PYTHON_CELL_MAGICS, cell_magic


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonCell:
    """A code cell that could be parsed; ``lines`` has the text of each line, ``comments`` those by number, from 1."""

    number: int
    source: str
    tree: ast.Module
    lines: tuple[str, ...]
    comments: dict[int, str]
    starts: tuple[int, ...]
    """The offset of each line."""

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the offsets of a node in the source, in characters."""
        last, column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self._offset(node.lineno, node.col_offset), self._offset(last, column)

    def text(self, node: ast.expr | ast.stmt) -> str:
        """Return the line on which a node begins."""
        return self.lines[node.lineno - 1]

    def _offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode(errors="ignore"))


def python_cells(
    notebook: Notebook, mark: str, remarks: list[Remark], *, numbers: Container[int] | None = None
) -> Iterator[PythonCell]:
    """Yield the cells with ``mark``, or those with these ``numbers``; one that cannot be parsed gets a remark."""
    for cell in notebook.cells:
        if numbers is not None and cell.number not in numbers:
            continue
        magic = cell_magic(cell)
        if cell.kind != "code" or mark not in cell.source or (magic and magic[1] not in PYTHON_CELL_MAGICS):
            continue
        plain, _ = blank_magics(cell.source)
        try:
            tree = parse_statements(plain)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            reason = f"mentions {mark!r}, but" if mark else "is tagged as parameters, but"
            message = f"cell {cell.number} {reason} is not valid Python: it gives no parameters"
            remarks.append(Remark(line=0, message=message))
            continue
        yield PythonCell(
            number=cell.number,
            source=cell.source,
            tree=tree,
            lines=tuple(lines_of(cell.source)),
            comments=comments_in(plain),
            starts=(0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", cell.source))),
        )
