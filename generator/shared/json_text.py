"""Readable and valid JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any


def json_text(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return indented JSON in UTF-8; lone surrogates, which UTF-8 cannot encode, are escaped.

    Infinite numbers and NaN, which JSON lacks, become null, as in JavaScript.
    """
    try:
        return _text(value, sort_keys=sort_keys)
    except RecursionError:  # nested too deeply for an indentation, which json does in Python
        return json.dumps(value, sort_keys=sort_keys, default=str).encode()


def _text(value: Any, *, sort_keys: bool) -> bytes:
    try:
        return _strict_text(value, sort_keys=sort_keys)
    except UnicodeError:
        raise
    except ValueError:
        return _strict_text(_replace_non_finite(value, lambda _number: None), sort_keys=sort_keys)


def _strict_text(value: Any, *, sort_keys: bool) -> bytes:
    options: dict[str, Any] = {"indent": 1, "sort_keys": sort_keys, "default": str, "allow_nan": False}
    try:
        return json.dumps(value, ensure_ascii=False, **options).encode()
    except UnicodeEncodeError:
        return json.dumps(value, **options).encode()


def spell_non_finite(value: Any) -> Any:
    """Return a value in which infinite numbers, NaN and dates, which JSON lacks, are the texts of options."""
    return _replace_non_finite(value, str)


def _replace_non_finite(value: Any, change: Callable[[float], Any]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return change(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, Mapping):
        plain = {str(key) if isinstance(key, float) else key: item for key, item in value.items()}
        return {key: _replace_non_finite(item, change) for key, item in plain.items()}
    return [_replace_non_finite(item, change) for item in value] if isinstance(value, list | tuple) else value
