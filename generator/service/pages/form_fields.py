"""The fields of a form for a package's inputs, and what their texts mean."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generator.notebook.literals import MisfitError
from generator.package.job_file import refuse_directives
from generator.shared.yaml_limits import YamlLimitError, check_depth, deepest

WHOLE, REAL = ("int", "long"), ("float", "double")
_BITS = {"int": 31, "long": 63}
"""Bits of the whole numbers of CWL, without the sign."""
_NOT_FINITE = ("inf", "infinity", "nan")
FILES = ("File", "Directory")


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One input in a form; ``control`` is text, area, number, date, select, lines, json or password.

    ``limits`` are the attributes ``min``, ``max`` and the like of the control, with their values. ``default`` is the
    text of ``value``, the default; without one, it is empty and None.
    """

    id: str
    name: str
    type: str
    doc: str
    control: str
    options: tuple[str, ...]
    default: str
    required: bool
    secret: bool
    whole: bool
    limits: tuple[tuple[str, str], ...] = ()
    value: Any = None

    @property
    def takes_files(self) -> bool:
        """Whether files can be uploaded for the input."""
        return self.type.removesuffix("[]") == "File"

    @property
    def is_list(self) -> bool:
        """Whether the input has several values."""
        return self.type.endswith("[]")


class WrongValueError(Exception):
    """A field's value is invalid."""


def file_value(text: str, field: Field, uploaded: Sequence[Mapping[str, Any]]) -> Any:
    """Return the files of a field: those with the addresses in its text, and those that were uploaded.

    Raises:
        WrongValueError: the text has something else, or there is not exactly one file for an input that takes one.
    """
    items = [*_items(text, field), *uploaded]
    if field.is_list:
        return items
    if len(items) != 1:
        raise WrongValueError("give one file: by its URL or as an upload")
    return items[0]


def typed_value(text: str, field: Field) -> Any:
    """Return the value that a text means.

    Raises:
        WrongValueError: it means no value of the field's type.
    """
    if field.control == "json":
        return _json_value(text.strip("\n"))
    if field.control == "lines":
        items = _items(text, field)
        if field.is_list:
            return items
        if len(items) != 1:
            raise WrongValueError("exactly one value is required")
        return items[0]
    return _scalar(text if field.type == "string" or text in field.options else text.strip(), field.type, field)


def _items(text: str, field: Field) -> list[Any]:
    """Return the items of a list that is written one per line, or as JSON: then texts may have line breaks."""
    kind = field.type.removesuffix("[]")
    listed = json_or_none(text) if text.strip().startswith("[") else None
    if isinstance(listed, list):
        if kind == "Any":
            return list(_json_value(text))
        if kind not in ("string", "enum"):
            return [_scalar(one if isinstance(one, str) else json.dumps(one), kind, field) for one in listed]
        if all(isinstance(one, str) for one in listed):
            return [_scalar(one, kind, field) for one in listed]
    lines = filter(None, map(str.strip, text.split("\n")))
    return [_json_value(one) if kind == "Any" else _scalar(one, kind, field) for one in lines]


def json_or_none(text: str) -> Any:
    """Return the JSON in a text, None without any."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json_value(text: str) -> Any:
    """Parse JSON; return any other text as it is."""
    try:
        value = json.loads(text)
        check_depth(value)
    except (YamlLimitError, RecursionError):
        raise WrongValueError(f"lists and objects can be nested at most {deepest} levels deep") from None
    except ValueError:
        return text
    try:
        refuse_directives(value)
    except MisfitError as error:
        raise WrongValueError(f"the value {error}") from None
    return value


def _scalar(text: str, kind: str, field: Field) -> Any:
    if kind in FILES:
        if not text.startswith(("https://", "http://")):
            raise WrongValueError(f"{text} is not an http or https URL")
        return {"class": kind, "location": text}
    if kind in REAL and text.lower().lstrip("+-").lstrip(".") in _NOT_FINITE:
        return text  # JSON has no such number; the run reads it from text
    if kind in (*WHOLE, *REAL):
        try:
            number = int(text) if kind in WHOLE else float(text)
        except ValueError:
            raise WrongValueError(f"{text} is not a {'whole ' if kind in WHOLE else ''}number") from None
        if isinstance(number, int) and not -(2 ** _BITS[kind]) <= number < 2 ** _BITS[kind]:
            raise WrongValueError(f"{text} is too large for a whole number of {_BITS[kind] + 1} bits")
        if isinstance(number, float) and not math.isfinite(number):
            raise WrongValueError(f"{text} is too large for a number")
        is_rounded = isinstance(number, float) and re.fullmatch(r"[+-]?\d+", text) and int(text) != number
        return int(text) if is_rounded else number
    if field.options and text not in field.options:
        raise WrongValueError(f"{text} is not one of {', '.join(field.options)}")
    return text == "true" if kind == "boolean" else text
