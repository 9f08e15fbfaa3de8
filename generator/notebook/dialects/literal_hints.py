"""The type that another tool derives from a literal, or states in its own words.

Unlike in a parameters cell, an integer is an int.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from generator.notebook import literals
from generator.notebook.bounds import BoundsError, checked_bounds, takes_bounds
from generator.notebook.literals import widen_hint
from generator.notebook.parameters import Bounds, CwlType, Hint, Literal, Missing


def hint_of_scalar(value: Literal | Missing) -> Hint | None:
    """Return the type of a number, a boolean or a text; None for other values."""
    if isinstance(value, bool):
        return Hint(type=CwlType.BOOLEAN)
    if isinstance(value, int):
        return Hint(type=CwlType.INT)
    if isinstance(value, float):
        return Hint(type=CwlType.FLOAT)
    return Hint(type=CwlType.STRING) if isinstance(value, str) else None


def with_limits(
    hint: Hint,
    default: Literal | Missing,
    *,
    minimum: Any = None,
    maximum: Any = None,
    above: Any = None,
    below: Any = None,
    step: Any = None,
) -> Hint:
    """Return a type with the limits of another tool, as numbers or texts; without them if they are invalid.

    The default may be outside: the other tool checks only what its users enter.
    """
    low, high = _first(above, minimum, hint), _first(below, maximum, hint)
    if hint.array or not takes_bounds(hint) or (low is None and high is None):
        return hint
    bounds = Bounds(
        minimum=low,
        maximum=high,
        exclusive_minimum=_number(above, hint) is not None,
        exclusive_maximum=_number(below, hint) is not None,
        step=_positive(_number(step, hint)),
    )
    try:
        limited = replace(hint, bounds=checked_bounds(bounds, hint))
    except BoundsError:
        return hint
    limited = widen_hint(limited, [low, high])
    return limited if fits(limited, default) else hint


def fits(hint: Hint, default: Literal | Missing) -> bool:
    """Whether a default is a value of the type; one that is missing or null is."""
    return default is None or isinstance(default, Missing) or literals.fits(default, hint)


def schema_limits(schema: Mapping[str, Any], hint: Hint) -> dict[str, Any]:
    """Return the arguments of `with_limits` in a JSON Schema; drafts up to 4 have a boolean with the limit."""
    if hint.type is CwlType.STRING:
        return {"minimum": schema.get("minLength"), "maximum": schema.get("maxLength")} if not hint.format else {}
    found = {"minimum": schema.get("minimum"), "maximum": schema.get("maximum")}
    for word, key, name in (("exclusiveMinimum", "above", "minimum"), ("exclusiveMaximum", "below", "maximum")):
        limit = schema.get(word)
        if limit is True:
            found[key], found[name] = found[name], None
        elif limit is not None and limit is not False:
            found[key] = limit
    return found


def _first(exclusive: Any, inclusive: Any, hint: Hint) -> int | float | None:
    found = _number(exclusive, hint)
    return _number(inclusive, hint) if found is None else found


def _number(value: Any, hint: Hint) -> int | float | None:
    """Return a finite number, of a text too; None for other values, and for parts of a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
        if not math.isfinite(number):
            return None
    except (ValueError, OverflowError):
        return None
    if number.is_integer() and not (isinstance(value, str) and "." in value):
        return int(number)
    return number if hint.type in (CwlType.FLOAT, CwlType.DOUBLE) else None


def _positive(step: float | None) -> float | None:
    return step if step is not None and step > 0 else None
