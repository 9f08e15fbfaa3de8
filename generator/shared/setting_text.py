"""Reading of settings that are text, such as environment variables."""

from __future__ import annotations


def is_yes(value: str) -> bool:
    """Return whether a variable's value means yes."""
    return value.strip().lower() not in ("", "0", "no", "false")


def words(value: str) -> tuple[str, ...]:
    """Return the entries of a list that spaces or commas separate."""
    return tuple(value.replace(",", " ").split())
