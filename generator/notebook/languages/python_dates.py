"""Dates in a Python cell: ``datetime.date(2020, 1, 1)`` as text, and expressions that give a date or a datetime."""

from __future__ import annotations

import ast
from datetime import date, datetime, timedelta, timezone
from typing import Any

from generator.notebook.parameters import Literal

_CLASSES = ("date", "datetime")
_CONSTRUCTORS = ("today", "now", "utcnow", "fromisoformat", "strptime", "fromtimestamp", "utcfromtimestamp", "combine")
_METHODS = ("replace", "date", "astimezone")


def date_literal(node: ast.expr) -> Literal:
    """Return a date, or a list of dates, as the text of ISO 8601; None if the expression is something else."""
    if isinstance(node, ast.List | ast.Tuple):
        items = [date_of(item) for item in node.elts]
        return None if not items or None in items else [item for item in items if item is not None]
    return date_of(node)


def date_of(node: ast.expr) -> str | None:
    """Return the text of a call such as ``datetime.date(2020, 1, 1)`` or ``date.fromisoformat('2020-01-01')``."""
    if not isinstance(node, ast.Call):
        return None
    words = _dotted(node.func).split(".")
    kind = {"date": date, "datetime": datetime}.get(words[-2] if words[-1] == "fromisoformat" else words[-1])
    if kind is None or len(words) > 3:
        return None
    try:
        if words[-1] == "fromisoformat":
            (text,) = map(ast.literal_eval, node.args)
            return _text(kind.fromisoformat(text)) if not node.keywords else None
        arguments = [ast.literal_eval(argument) for argument in node.args]
        named = {word.arg: _named(word) for word in node.keywords if word.arg}
        made: Any = kind
        return _text(made(*arguments, **named)) if len(named) == len(node.keywords) else None
    except (ValueError, TypeError, SyntaxError, OverflowError, MemoryError, RecursionError):
        return None


def _named(word: ast.keyword) -> object:
    if word.arg == "tzinfo":
        if _dotted(word.value).rpartition(".")[2].lower() != "utc":
            raise ValueError("not a time in UTC")
        return timezone.utc
    return ast.literal_eval(word.value)


def _text(value: date) -> str | None:
    if isinstance(value, datetime) and value.utcoffset() == timedelta(0):
        return f"{value.replace(tzinfo=None).isoformat()}Z"
    return value.isoformat()


def gives_date(node: ast.expr) -> bool:
    """Whether an expression gives a date, such as ``date.today() - timedelta(days=5)``, and not its text."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        return gives_date(node.left) or gives_date(node.right)
    if isinstance(node, ast.List | ast.Tuple):
        return bool(node.elts) and all(map(gives_date, node.elts))
    if not isinstance(node, ast.Call):
        return False
    words = _dotted(node.func).split(".")
    if words[-1] in _CLASSES and words[0]:
        return True
    if len(words) > 1 and words[-1] in _CONSTRUCTORS and words[-2] in _CLASSES:
        return True
    return isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS and gives_date(node.func.value)


def _dotted(node: ast.expr) -> str:
    """Return a name with its dots, such as ``datetime.date``; '' for another expression."""
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""
