"""Bounds of numbers, dates and lengths of texts: parse, check, describe, and convert them for documents."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from generator.notebook.parameters import Bounds, CwlType, Format, Hint, Literal

_WHOLE = (CwlType.INT, CwlType.LONG)
_REAL = (CwlType.FLOAT, CwlType.DOUBLE)
_DATES = (Format.DATE, Format.DATETIME)
_STEP = re.compile(r"(?P<range>.*?)\s+step\s+(?P<step>\S+)", re.DOTALL)


class BoundsError(ValueError):
    """Text between brackets that is not a range of the type."""


def takes_bounds(hint: Hint) -> bool:
    """Whether a type has bounds: numbers, dates, and texts, by the number of their characters."""
    return hint.format in _DATES if hint.format else hint.type in (*_WHOLE, *_REAL, CwlType.STRING)


def parse_bounds(text: str, hint: Hint) -> Bounds:
    """Parse ``1..10``, ``0.5..``, ``..10``, ``>0..<1`` or ``0..100 step 5``.

    Raises:
        BoundsError: the text is not a range of this type.
    """
    if not takes_bounds(hint):
        raise BoundsError("only numbers, dates and strings have bounds")
    match = _STEP.fullmatch(text.strip())
    low, dots, high = (match["range"] if match else text).partition("..")
    low, high = low.strip(), high.strip()
    if not dots or not (low or high):
        raise BoundsError("write a range as [1..10], [1..] or [..10]")
    return checked_bounds(
        Bounds(
            minimum=_bound(low.removeprefix(">"), hint),
            maximum=_bound(high.removeprefix("<"), hint),
            exclusive_minimum=low.startswith(">"),
            exclusive_maximum=high.startswith("<"),
            step=_step(match["step"], hint) if match else None,
        ),
        hint,
    )


def checked_bounds(bounds: Bounds, hint: Hint) -> Bounds:
    """Return bounds that at least one value is between.

    Raises:
        BoundsError: no value is.
    """
    low, high = _comparable(bounds.minimum, hint), _comparable(bounds.maximum, hint)
    if low is not None and high is not None:
        is_single = low == high and not (bounds.exclusive_minimum or bounds.exclusive_maximum)
        if not (low < high or is_single):
            raise BoundsError(f"no value is between {bounds.minimum} and {bounds.maximum}")
    return bounds


def _bound(text: str, hint: Hint) -> int | float | str | None:
    text = text.strip()
    if not text:
        return None
    if hint.format in _DATES:
        from generator.notebook.dates import date_text

        found = date_text(text, hint.format)
        if found is None:
            raise BoundsError(f"{text!r} is not a {hint.format}")
        return found
    return _number(text, whole=hint.type not in _REAL, is_length=hint.type is CwlType.STRING)


def _number(text: str, *, whole: bool, is_length: bool = False) -> int | float:
    plain = text.replace("_", "")
    if re.fullmatch(r"[+-]?\d{1,19}", plain) and not (is_length and plain.startswith("-")):
        return int(plain)
    is_real = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", plain)
    if whole or is_real is None or not math.isfinite(float(plain)):
        raise BoundsError(f"{text!r} is not a {'length' if is_length else 'whole number' if whole else 'number'}")
    return float(plain)


def _step(text: str, hint: Hint) -> int | float:
    step = _number(text, whole=hint.type not in _REAL)
    if step <= 0 or hint.type is CwlType.STRING or hint.format:
        raise BoundsError(f"{text!r} is not a step of a number")
    return step


def _comparable(value: Any, hint: Hint) -> Any:
    """Return a value to compare with another one; None if it is open, or known only at the time of a run."""
    if hint.format not in _DATES or value is None:
        return value
    from generator.notebook.dates import is_dynamic, moment_of

    return None if is_dynamic(value) else moment_of(value)


def is_within(value: Literal, hint: Hint) -> bool:
    """Check a scalar against the bounds of its type; a bound such as ``today`` is not checked."""
    bounds = hint.bounds
    if bounds is None:
        return True
    found: Any = value
    if isinstance(value, str):
        found = _comparable(value, hint) if hint.format in _DATES else len(value)
    if found is None:
        return True
    if isinstance(found, float) and math.isnan(found):
        return False
    low, high = _comparable(bounds.minimum, hint), _comparable(bounds.maximum, hint)
    is_above = low is None or (found > low if bounds.exclusive_minimum else found >= low)
    return is_above and (high is None or (found < high if bounds.exclusive_maximum else found <= high))


def describe_range(hint: Hint) -> str:
    """Describe the bounds of a type in words, such as ``from 1 to 10 K``; '' without bounds."""
    bounds = hint.bounds
    if bounds is None or (bounds.minimum is None and bounds.maximum is None):
        return ""
    if hint.type is CwlType.STRING and hint.format is None:
        return _length_words(bounds)
    words = _range_words(bounds, is_date=hint.format is not None)
    return f"{words} {hint.unit}" if hint.unit else words


def _length_words(bounds: Bounds) -> str:
    low, high = bounds.minimum, bounds.maximum
    words = "of at least" if high is None else "of at most" if low is None else f"of {low} to" if low != high else "of"
    most = low if high is None else high
    return f"{words} {most} character{'' if most == 1 else 's'}"


def range_text(hint: Hint, doc: str) -> str:
    """Return a sentence with the range and the unit of a type for its description; '' if ``doc`` has all of it."""
    if found := describe_range(hint):
        return f"{found[0].upper()}{found[1:]}."
    return f"In {hint.unit}." if hint.unit and not doc.startswith(hint.unit) else ""


def _range_words(bounds: Bounds, *, is_date: bool) -> str:
    low, high = bounds.minimum, bounds.maximum
    if low is not None and high is not None and not (bounds.exclusive_minimum or bounds.exclusive_maximum):
        return f"from {low} to {high}"
    words = ("after", "on or after", "before", "on or before") if is_date else _NUMBER_WORDS
    above = words[0 if bounds.exclusive_minimum else 1]
    below = words[2 if bounds.exclusive_maximum else 3]
    return " and ".join([f"{above} {low}"] * (low is not None) + [f"{below} {high}"] * (high is not None))


_NUMBER_WORDS = ("above", "of at least", "below", "of at most")


def bounds_to_dict(hint: Hint) -> dict[str, Any]:
    """Return bounds under the keywords of JSON Schema, of which a date has only those of a number."""
    bounds = hint.bounds
    if bounds is None:
        return {}
    if hint.type is CwlType.STRING and hint.format is None:
        found = {"minLength": bounds.minimum, "maxLength": bounds.maximum}
    else:
        found = {
            "exclusiveMinimum" if bounds.exclusive_minimum else "minimum": bounds.minimum,
            "exclusiveMaximum" if bounds.exclusive_maximum else "maximum": bounds.maximum,
            "step": bounds.step,
        }
    return {name: value for name, value in found.items() if value is not None}


def bounds_from_dict(found: Mapping[str, Any]) -> Bounds | None:
    """Return the bounds that `bounds_to_dict` wrote; None without any."""
    bounds = Bounds(
        minimum=next((found[key] for key in ("minimum", "exclusiveMinimum", "minLength") if key in found), None),
        maximum=next((found[key] for key in ("maximum", "exclusiveMaximum", "maxLength") if key in found), None),
        exclusive_minimum="exclusiveMinimum" in found,
        exclusive_maximum="exclusiveMaximum" in found,
        step=found.get("step"),
    )
    return bounds if bounds != Bounds() else None
