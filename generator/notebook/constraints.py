"""Bounds and units in ``Annotated[T, …]``: pydantic's ``Field(ge=1)``, annotated_types' ``Ge(1)``, ``'ge=1'``, ``'K'``.

The arguments are parsed, never evaluated; what is not a literal, or not known here, is skipped as by a type checker.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import replace

from generator.notebook.bounds import BoundsError, checked_bounds, parse_bounds, takes_bounds
from generator.notebook.languages.python_trees import parse_expression
from generator.notebook.literals import widen_hint
from generator.notebook.parameters import Bounds, CwlType, Hint
from generator.notebook.units import is_unit

_KEYWORDS = {
    "ge": "minimum",
    "gt": "exclusive_minimum",
    "le": "maximum",
    "lt": "exclusive_maximum",
    "min_length": "min_length",
    "max_length": "max_length",
}
_CALLS = {
    "Ge": ("ge",),
    "Gt": ("gt",),
    "Le": ("le",),
    "Lt": ("lt",),
    "MinLen": ("min_length",),
    "MaxLen": ("max_length",),
    "Len": ("min_length", "max_length"),
}
"""The classes of annotated_types, and what their positional arguments are."""
_GENERAL = ("Field", "Interval", "Query", "Param", "StringConstraints", *_CALLS)
_TEXT = re.compile(r"\s*(ge|gt|le|lt)\s*=\s*([^\s=]+)\s*")
_NUMBERS = (CwlType.INT, CwlType.LONG, CwlType.FLOAT, CwlType.DOUBLE)


def constrained(hint: Hint, rest: str) -> Hint:
    """Return a type with the bounds and the unit that the other arguments of ``Annotated`` have.

    ``rest`` is their text, after the comma. Bounds that the type cannot have are skipped.
    """
    if hint.array or hint.symbols or not takes_bounds(hint):
        return hint
    try:
        call = parse_expression(f"f({rest.strip().lstrip(',')})")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return hint
    found: dict[str, str] = {}
    unit = hint.unit
    for argument in call.args if isinstance(call, ast.Call) else ():
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            text = _TEXT.fullmatch(argument.value)
            if text:
                found[text[1]] = text[2]
            elif hint.type in _NUMBERS and is_unit(argument.value):
                unit = argument.value
        else:
            found |= dict(_words(argument))
    bounds = _bounds(found, hint)
    return widen_hint(replace(hint, bounds=bounds, unit=unit), [bounds.minimum, bounds.maximum] if bounds else [])


def _words(node: ast.expr) -> Iterator[tuple[str, str]]:
    """Yield the constraints of a call such as ``Field(ge=1)``, as texts."""
    if not isinstance(node, ast.Call):
        return
    name = ast.unparse(node.func).rpartition(".")[2]
    if name not in _GENERAL:
        return
    pairs = [*zip(_CALLS.get(name, ()), node.args, strict=False)]
    pairs += [(word.arg, word.value) for word in node.keywords if word.arg in _KEYWORDS]
    for keyword, value in pairs:
        if (text := _text(value)) is not None:
            yield keyword, text


def _text(node: ast.expr) -> str | None:
    """Return a number or a date as text; None for anything else."""
    from generator.notebook.languages.python_dates import date_of

    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return date_of(node)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number and abs(value) <= sys.float_info.max else None


def _bounds(found: dict[str, str], hint: Hint) -> Bounds | None:
    is_text = hint.type is CwlType.STRING and hint.format is None
    low = (found.get("min_length"), None) if is_text else (found.get("ge"), found.get("gt"))
    high = (found.get("max_length"), None) if is_text else (found.get("le"), found.get("lt"))
    if not any((*low, *high)):
        return hint.bounds
    try:
        return checked_bounds(parse_bounds(f"{_either(*low, '>')}..{_either(*high, '<')}", hint), hint)
    except BoundsError:
        return hint.bounds


def _either(inclusive: str | None, exclusive: str | None, mark: str) -> str:
    return f"{mark}{exclusive}" if exclusive is not None else inclusive or ""
