"""Readable and valid JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from json import encoder
from typing import Any


def json_text(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return indented JSON in UTF-8; lone surrogates, which UTF-8 cannot encode, are escaped.

    Infinite numbers and NaN, which JSON lacks, become null, as in JavaScript.
    """
    for write in (_quickly, _deeply):
        with suppress(RecursionError):
            return _text(write, value, sort_keys=sort_keys)
    # nested too deeply for an indentation, which json does in Python
    return json.dumps(value, sort_keys=sort_keys, default=str).encode()


def _text(write: Callable[..., str], value: Any, *, sort_keys: bool) -> bytes:
    try:
        return _strict_text(write, value, sort_keys=sort_keys)
    except UnicodeError:
        raise
    except ValueError:
        return _strict_text(write, _replace_non_finite(value, lambda _number: None), sort_keys=sort_keys)


def _strict_text(write: Callable[..., str], value: Any, *, sort_keys: bool) -> bytes:
    try:
        return write(value, ascii_only=False, sort_keys=sort_keys).encode()
    except UnicodeEncodeError:
        return write(value, ascii_only=True, sort_keys=sort_keys).encode()


def _quickly(value: Any, *, ascii_only: bool, sort_keys: bool) -> str:
    quoted = encoder.encode_basestring_ascii if ascii_only else encoder.encode_basestring
    return _Indented(quoted, sort_keys=sort_keys).text(value, "\n")


def _deeply(value: Any, *, ascii_only: bool, sort_keys: bool) -> str:
    """Write the same text with one call for a level of nesting, where `_Indented` needs two."""
    return json.dumps(value, indent=1, default=str, allow_nan=False, ensure_ascii=ascii_only, sort_keys=sort_keys)


_plain = json.JSONEncoder(allow_nan=False).encode
"""Writes a number, a truth value or null."""
_NUMBERS = (int, float, type(None))


class _Indented:
    """Writes what ``json.dumps(value, indent=1, default=str, allow_nan=False)`` writes, in half of the time.

    json uses its encoder in C only without an indentation.
    """

    def __init__(self, quoted: Callable[[str], str], *, sort_keys: bool) -> None:
        """``quoted`` writes a text."""
        self._quoted = quoted
        self._sort_keys = sort_keys

    def text(self, value: Any, line: str) -> str:
        """Return the text of a value; ``line`` is a line break and the indentation of the value."""
        if isinstance(value, str):
            return self._quoted(value)
        if isinstance(value, dict):
            return self._object(value, line)
        if isinstance(value, (list, tuple)):
            return self._list(value, line)
        return _plain(value) if isinstance(value, _NUMBERS) else self._quoted(str(value))

    def _object(self, value: Mapping[Any, Any], line: str) -> str:
        if not value:
            return "{}"
        quoted, inner, parts = self._quoted, f"{line} ", []
        for key, item in sorted(value.items()) if self._sort_keys else value.items():
            name = quoted(key if isinstance(key, str) else _key_text(key))
            parts.append(f"{name}: {quoted(item) if type(item) is str else self.text(item, inner)}")
        return f"{{{inner}{f',{inner}'.join(parts)}{line}}}"

    def _list(self, value: Sequence[Any], line: str) -> str:
        if not value:
            return "[]"
        quoted, inner, parts = self._quoted, f"{line} ", []
        for item in value:
            # A comprehension would be another frame at each level of nesting.
            parts.append(quoted(item) if type(item) is str else self.text(item, inner))  # noqa: PERF401
        return f"[{inner}{f',{inner}'.join(parts)}{line}]"


def _key_text(key: Any) -> str:
    if not isinstance(key, _NUMBERS):
        raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")
    return _plain(key)


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
