"""Python literals as a person would write them, in the style of ruff and black."""

from __future__ import annotations

from typing import Any

_LINE = 88
"""The longest line of ruff's and black's defaults."""
_INDENT = 4


def python_text(value: Any, *, indent: int = 0, used: int = 0) -> str:
    """Format a value of JSON as a literal; a list or a dictionary that does not fit on its line gets a line per item.

    ``indent`` is that of the line, ``used`` the number of other characters on it.
    """
    if isinstance(value, str):
        return quoted(value)
    if not isinstance(value, list | tuple | dict):
        return repr(value)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    flat = opening + ", ".join(_entries(value, indent=0)) + closing
    if "\n" not in flat and indent + used + len(flat) <= _LINE:
        return flat
    entries = _entries(value, indent=indent + _INDENT)
    lines = "".join(f"{' ' * (indent + _INDENT)}{entry},\n" for entry in entries)
    return f"{opening}\n{lines}{' ' * indent}{closing}"


def _entries(value: Any, *, indent: int) -> list[str]:
    if not isinstance(value, dict):
        return [python_text(item, indent=indent, used=1) for item in value]
    keys = {key: f"{quoted(key)}: " for key in value}
    return [start + python_text(value[key], indent=indent, used=len(start) + 1) for key, start in keys.items()]


def quoted(text: str) -> str:
    """Format a text with double quotes, or with single ones where these need fewer escapes."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    return mark + "".join(_escape(character, mark) for character in text) + mark


def _escape(character: str, mark: str) -> str:
    if character in (mark, "\\"):
        return f"\\{character}"
    return character if character.isprintable() else repr(character)[1:-1]


def docstring(text: str) -> str:
    """Return a text for the inside of a docstring, which it cannot end."""
    return text.replace("\\", "\\\\").replace('"', "'")
