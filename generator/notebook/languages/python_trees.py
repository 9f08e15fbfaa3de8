"""Syntax trees of Python whose numbers can be written as text."""

from __future__ import annotations

import ast
import re

_MAY_BE_LONG = re.compile(r"0[xXoObB][\da-fA-F_]{3000}")
_MOST_BITS = 14_284
"""Of a number with at most 4,300 decimal digits, the most that Python writes (`sys.set_int_max_str_digits`)."""


def parse_statements(source: str) -> ast.Module:
    """Parse statements; a longer number, which only another base than ten can write, is a name in the tree.

    The name is its text, so that its value counts as computed, and the tree can be written as source.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: the source cannot be parsed.
    """
    tree = ast.parse(source)
    if _MAY_BE_LONG.search(source):
        _LongNumbers().visit(tree)
    return tree


def parse_expression(source: str) -> ast.expr:
    """Parse an expression, with the numbers and errors of `parse_statements`."""
    tree = ast.parse(source, mode="eval")
    if _MAY_BE_LONG.search(source):
        _LongNumbers().visit(tree)
    return tree.body


class _LongNumbers(ast.NodeTransformer):
    """Replaces long numbers by names."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, int) and node.value.bit_length() > _MOST_BITS:
            return ast.copy_location(ast.Name(id=hex(node.value), ctx=ast.Load()), node)
        return node
