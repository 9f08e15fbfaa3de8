"""Dates, times and GeoJSON in the form that the notebook's own defaults have, at the time of the run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from generator.notebook import dates, geojson
from generator.notebook.bounds import is_within
from generator.notebook.interface import Input
from generator.notebook.literals import MisfitError, describe, shorten
from generator.notebook.parameters import Format, Literal, Missing

_LARGEST = 16 * 1024**2
"""Bytes of a file of GeoJSON that is checked; reading a larger one would cost as much as the run itself does."""


def has_dynamic_default(one: Input) -> bool:
    """Whether a run replaces the default by a date."""
    return one.hint.format in (Format.DATE, Format.DATETIME) and dates.is_dynamic(one.default)


def resolved_defaults(inputs: Iterable[Input], now: datetime, wrong: list[str]) -> dict[str, Any]:
    """Return the values of inputs that a run does not give and whose default is a word such as ``today``.

    A default that is not within its bounds at this time is reported in ``wrong``.
    """
    values = {}
    for one in inputs:
        if has_dynamic_default(one):
            try:
                values[one.name] = with_dates(one.default, one, now)
            except MisfitError as error:
                wrong.append(f"{one.name}: its default {error}")
    return values


def with_dates(value: Any, one: Input, now: datetime) -> Any:
    """Return the dates and times of a run, or lists of them, at a time; other values stay as they are.

    Words such as ``today-5d`` are resolved. The notebook gets a text, or a date of its language if it has one itself.

    Raises:
        MisfitError: a date is not within its bounds.
    """
    if one.hint.format not in (Format.DATE, Format.DATETIME):
        return value
    if isinstance(value, list | tuple):
        defaults = one.default if isinstance(one.default, list | tuple) else (one.default,)
        return [_date(item, one, defaults[0] if defaults else None, now) for item in value]
    return _date(value, one, one.default, now)


def _date(value: Any, one: Input, default: Literal | Missing, now: datetime) -> Any:
    if not isinstance(value, str):
        return value
    hint = dates.resolved_bounds(one.hint, now)
    try:
        text = dates.resolve(value, hint.format, now)
    except ValueError as error:
        raise MisfitError(f"is {error}") from None
    if not is_within(text, hint):
        found = shorten(value) if text == value else f"{shorten(value)}, which is {text}"
        raise MisfitError(f"is {found}, but {describe(hint)} is needed")
    text = dates.like_default(text, default)
    return dates.native(text, hint.format, default) if one.native else text


def as_geojson(value: Any, one: Input) -> Any:
    """Return GeoJSON as text if the notebook's own is text, else as a dictionary."""
    if isinstance(value, list | tuple):
        return [as_geojson(item, one) for item in value]
    defaults = one.default if isinstance(one.default, list | tuple) else (one.default,)
    if defaults and all(isinstance(default, str) for default in defaults):
        return json.dumps(value) if isinstance(value, dict) else value
    return json.loads(value) if isinstance(value, str) else value


def check_geojson_file(path: Path) -> None:
    """Check the content of a file; one that is missing here or is large is not checked.

    Raises:
        MisfitError: the file is not GeoJSON.
    """
    try:
        if path.stat().st_size > _LARGEST or not path.is_file():
            return
        geojson.parse_geojson(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        if isinstance(error, geojson.GeoJsonError | UnicodeDecodeError):
            problem = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise MisfitError(f"is the file {path.name!r}, which is not GeoJSON: {problem}") from None
