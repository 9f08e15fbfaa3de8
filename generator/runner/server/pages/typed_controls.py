"""Controls of a form for dates, numbers with bounds, bounding boxes and GeoJSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

from generator.notebook.bounds import bounds_to_dict
from generator.notebook.dates import date_text, is_dynamic, moment_of, resolved_bounds
from generator.notebook.interface import Input
from generator.notebook.parameters import CwlType, Format

_NUMBER = re.compile(r"-?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?")
_WHOLE = (CwlType.INT, CwlType.LONG)
format_names = {
    Format.DATE: "date",
    Format.DATETIME: "date and time in UTC",
    Format.BBOX: "bounding box: west, south, east, north",
    Format.GEOJSON: "GeoJSON",
}


def typed_control(one: Input, texts: Sequence[str]) -> str:
    """Return the control of an input with a format or bounds; browsers show no text that is not of the type."""
    hint = one.hint
    if hint.format is Format.BBOX:
        return "text"
    if hint.array:
        return "lines"
    if hint.format is Format.GEOJSON:
        return "area"
    if hint.format:
        is_shown = all(date_text(text, hint.format) and not is_dynamic(text) for text in texts if text)
        return ("date" if hint.format is Format.DATE else "datetime-local") if is_shown else "text"
    if hint.type is CwlType.STRING:
        return "area" if any(len(text) > 70 or "\n" in text for text in texts) else "text"
    return "number" if all(_NUMBER.fullmatch(text) for text in texts if text) else "text"


def local_text(text: str) -> str:
    """Return a time as browsers show it: in UTC, without the offset."""
    moment = moment_of(text)
    return moment.replace(tzinfo=None).isoformat() if moment else text


def limits(one: Input, control: str) -> dict[str, str]:
    """Return the attributes with the bounds of a value, such as ``min``, at this time."""
    hint = one.hint
    if control in ("date", "datetime-local"):
        bounds = resolved_bounds(hint, datetime.now(timezone.utc)).bounds
        ends = {"min": bounds.minimum, "max": bounds.maximum} if bounds else {}
        found = {name: local_text(str(end)) for name, end in ends.items() if end is not None}
        if control == "date":
            return {name: end[:10] for name, end in found.items()}
        return {"step": "1", **found}
    keywords = bounds_to_dict(hint)
    if control == "number":
        low = keywords.get("minimum", keywords.get("exclusiveMinimum"))
        high = keywords.get("maximum", keywords.get("exclusiveMaximum"))
        step = keywords.get("step", 1 if hint.type in _WHOLE else "any")
        given = {"min": low, "max": high, "step": step}
    else:
        given = {"minlength": keywords.get("minLength"), "maxlength": keywords.get("maxLength")}
        given = given if control in ("text", "area") else {}
    return {name: str(value) for name, value in given.items() if value is not None}
