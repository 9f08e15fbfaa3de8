"""Infer the type of a literal, and convert values to a type.

The same rules apply to the cell's own defaults, values after ``-p`` and the values that reach the runner.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from generator.notebook.bounds import describe_range, is_within
from generator.notebook.parameters import CwlType, Format, Hint, Literal

_INT_32 = 2**31
_INT_64 = 2**63
_NUMBERS = {CwlType.INT, CwlType.LONG, CwlType.FLOAT, CwlType.DOUBLE}


class MisfitError(ValueError):
    """A value does not fit its type."""


def hint_of(value: Literal) -> Hint:
    """Infer the type of a literal without a hint: numbers are float (the original system's rule), dictionaries Any."""
    if isinstance(value, bool):
        return Hint(type=CwlType.BOOLEAN)
    if isinstance(value, int | float):
        return Hint(type=CwlType.FLOAT)
    if isinstance(value, str):
        return Hint(type=CwlType.STRING)
    if isinstance(value, list | tuple):
        return _hint_of_items(list(value))
    return Hint(optional=value is None)


def _hint_of_items(items: list[Literal]) -> Hint:
    if any(item is None for item in items):
        return Hint()  # an array of T has no holes; Any takes the list as it is
    kinds = list(dict.fromkeys(hint_of(item) for item in items))
    if len(kinds) == 1 and not kinds[0].array:
        return replace(kinds[0], array=True)
    return Hint(array=True)


def widen_hint(hint: Hint, value: Literal) -> Hint:
    """Widen a hint if the value, or a list of its bounds, needs it: an ``int`` beyond 32 bits is CWL's ``long``."""
    if hint.type is CwlType.INT and any(not -_INT_32 <= number < _INT_32 for number in _integers(value)):
        return replace(hint, type=CwlType.LONG)
    return hint


def _integers(value: Literal) -> list[int]:
    if isinstance(value, list | tuple):
        return [number for item in value for number in _integers(item)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


def fit(value: Literal, hint: Hint) -> Literal:
    """Convert a value to a type: ``'3'`` becomes 3 for an int, lists item by item.

    Raises:
        MisfitError: the value does not fit the type; the message describes the expected type.
    """
    if value is None:
        if hint.optional:
            return None
        raise MisfitError(f"is null, but {describe(hint)} is needed")
    if hint.format is Format.BBOX:
        return _bbox(value)
    if hint.array:
        if not isinstance(value, list | tuple):
            raise MisfitError(f"is {shorten(value)}, but {describe(hint)} is needed")
        item_hint = replace(hint, array=False)
        items = [fit(item, item_hint) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return _fit_scalar(value, hint)


def fits(default: Literal, hint: Hint) -> bool:
    """Whether a default is a value of a type."""
    try:
        fit_default(default, hint)
    except MisfitError:
        return False
    return True


def require_text(value: object, hint: Hint) -> None:
    """Refuse a number or a boolean for a string or an enum: YAML makes them of ``012`` or ``yes``, whose text is lost.

    Raises:
        MisfitError: the value is or has one; the message does not repeat a secret.
    """
    if hint.type not in (CwlType.STRING, CwlType.ENUM):
        return
    for item in value if isinstance(value, list | tuple) else (value,):
        if isinstance(item, bool | int | float):
            kind = "boolean" if isinstance(item, bool) else "number"
            found = "" if hint.secret else f" {str(item).lower()}"
            needed = describe(replace(hint, array=False))
            raise MisfitError(f"is the {kind}{found}, but {needed} is needed; write it in quotes")


def fit_default(value: Literal, hint: Hint) -> Literal:
    """Convert a default to a type; it has to be finite, because documents are JSON.

    Raises:
        MisfitError: the value does not fit the type, or is infinite or NaN.
    """
    fitted = fit(value, hint)
    for item in fitted if isinstance(fitted, list | tuple) else (fitted,):
        if isinstance(item, float) and not math.isfinite(item):
            raise MisfitError(f"is {shorten(value)}, which JSON and CWL lack; give a finite default, or compute it")
    return fitted


def _fit_scalar(value: Literal, hint: Hint) -> Literal:
    kind = hint.type
    if hint.format is Format.GEOJSON and kind is not CwlType.FILE:
        return _geojson(value)
    fitted = _converted(value, hint)
    is_fit = fitted is not None and is_within(fitted, hint) and (not hint.symbols or str(fitted) in hint.symbols)
    if not is_fit:
        raise MisfitError(f"is {shorten(value)}, but {describe(hint)} is needed")
    if isinstance(fitted, int) and kind in (CwlType.INT, CwlType.LONG) and not -_INT_64 <= fitted < _INT_64:
        raise MisfitError(f"is {shorten(value)}, which does not fit into 64 bits")
    return fitted


def _converted(value: Literal, hint: Hint) -> Literal:
    """Return a value of the type; None if the value does not fit."""
    kind = hint.type
    fitted: Literal = None
    if kind is CwlType.ANY:
        fitted = value
    elif kind is CwlType.BOOLEAN:
        fitted = _boolean(value)
    elif kind in _NUMBERS:
        fitted = _number(value, whole=kind in (CwlType.INT, CwlType.LONG))
    elif kind is CwlType.ENUM:
        fitted = value if value in hint.symbols else None
    elif kind is CwlType.STRING and hint.format:
        fitted = _date(value, hint)
    elif kind is CwlType.STRING:
        fitted = value if isinstance(value, str) else str(value) if isinstance(value, int | float) else None
    elif isinstance(value, str) or (isinstance(value, dict) and _is_file_object(value)):
        fitted = value
    return fitted


def _date(value: Literal, hint: Hint) -> str | None:
    from generator.notebook.dates import date_text

    return date_text(value, hint.format) if isinstance(value, str) else None


def _bbox(value: Literal) -> Literal:
    """Convert a bounding box; a text, or a list of one text, has its numbers separated by commas."""
    from generator.notebook.bbox import fit_bbox

    fitted, problem = fit_bbox(value)
    if problem:
        raise MisfitError(f"is {shorten(value)}, {problem}")
    return fitted


def _geojson(value: Literal) -> Literal:
    """Check GeoJSON, which stays an object or a text."""
    from generator.notebook.geojson import GeoJsonError, check_geojson, parse_geojson

    try:
        if isinstance(value, str):
            parse_geojson(value)
        else:
            check_geojson(value)
    except GeoJsonError as error:
        raise MisfitError(f"is {shorten(value)}, which is not GeoJSON: {error}") from None
    return value


def _is_file_object(value: dict[str, Literal]) -> bool:
    return bool({"path", "location", "contents", "listing", "basename"} & value.keys())


def _boolean(value: Literal) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _number(value: Literal, *, whole: bool) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if re.fullmatch(r"[+-]?\d{1,40}", text.replace("_", "")):
            return int(text.replace("_", ""))
        if not whole and re.fullmatch(r"[+-]?(\.?inf|infinity|\.?nan)", text, re.IGNORECASE):  # Python's and YAML's
            return float(text.replace(".", ""))
        if whole or not re.fullmatch(r"[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
            return None
        number = float(text.replace("_", ""))
        return number if math.isfinite(number) else None
    if isinstance(value, float) and whole:
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int | float) else None


def describe(hint: Hint) -> str:
    """Describe a type in words, for messages."""
    if hint.symbols:
        one = "one of " + ", ".join(map(repr, hint.symbols) if hint.type is CwlType.ENUM else hint.symbols)
        return f"a list with {one}" if hint.array else one
    if hint.format:
        name, example = _formats[hint.format]
        found = describe_range(hint)
        one = f"{name} {found}" if found else f"{name}{example}"
        return f"a list, of which each is {one}" if hint.array and hint.format is not Format.BBOX else one
    names = {
        CwlType.INT: "an int",
        CwlType.ANY: "any value",
        CwlType.FILE: "a file path",
        CwlType.DIRECTORY: "a directory path",
    }
    one = names.get(hint.type, f"a {hint.type}")
    one = f"a list of {hint.type!s}" if hint.array else one
    return one + _spaced(describe_range(hint))


_formats = {
    Format.DATE: ("a date", " such as 2020-01-31 or today-5d"),
    Format.DATETIME: ("a date and time", " such as 2020-01-31T12:00:00Z or now-6h"),
    Format.BBOX: ("a bounding box", " [west, south, east, north] in degrees"),
    Format.GEOJSON: ("GeoJSON", ""),
}


def _spaced(text: str) -> str:
    return f" {text}" if text else ""


def shorten(value: Literal) -> str:
    """Shorten a value for messages."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
