"""What a Python statement assigns, binds and is, for remarks on a parameters cell."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_CHANGING = set("append extend insert remove pop clear sort reverse update setdefault popitem add discard".split())


def assignments_in(block: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the assignments below a compound statement, except those inside functions and classes."""
    for child in ast.iter_child_nodes(block):
        if isinstance(child, ast.Assign | ast.AnnAssign | ast.AugAssign):
            yield child
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case) and not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ):
            yield from assignments_in(child)  # type: ignore[arg-type]


def rebound_names(statement: ast.stmt) -> set[str]:
    """Return names that a statement binds as a side effect or whose value it changes by a method."""
    names: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.NamedExpr):
            names.add(node.target.id)
        elif isinstance(node, ast.For | ast.AsyncFor):
            names.update(names_in([node.target]))
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            names.update(names_in([node.optional_vars]))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method))) if method in _CHANGING:
            names.add(name)
    return names


def targets_of(assignment: ast.stmt) -> list[ast.expr]:
    """Return what an assignment assigns to; nothing for another statement."""
    if isinstance(assignment, ast.Assign):
        return assignment.targets
    return [assignment.target] if isinstance(assignment, ast.AnnAssign | ast.AugAssign) else []


def names_in(targets: list[ast.expr]) -> list[str]:
    """Return the names that are bound by targets."""
    return [
        n.id
        for target in targets
        for n in ast.walk(target)
        if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)
    ]


def kind_of(statement: ast.stmt) -> str:
    """Return what a statement is, in a word or two for a remark."""
    match statement:
        case ast.Import() | ast.ImportFrom():
            return "import"
        case ast.Expr(value=ast.Call(func=function)):
            return f"{ast.unparse(function)}()"
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return f"def {statement.name}"
        case ast.ClassDef():
            return f"class {statement.name}"
        case ast.AsyncFor() | ast.AsyncWith():
            return type(statement).__name__[5:].lower()
        case ast.Expr():
            return "expression"
    return type(statement).__name__.lower()
