"""Durations as GitLab writes them, such as ``2 hours 30 minutes``.

Source: https://docs.gitlab.com/ci/yaml/#artifactsexpire_in
"""

from __future__ import annotations

import re

from generator.shared.errors import UsageError

_LONGEST_DURATION = 1000 * 31557600
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "mo": 2592000, "y": 31557600}


def parse_duration(value: object) -> float:
    """Return the seconds of a duration; a bare number is in seconds.

    Raises:
        ValueError: the value is not a duration, or more than 1000 years.
    """
    text = str(value)
    seconds = _sum_of_units(text)
    if seconds > _LONGEST_DURATION:  # dates end with the year 9999
        raise ValueError(f"{text[:40]!r} is more than 1000 years; artifacts with 'expire_in: never' are kept for ever")
    return seconds


def _sum_of_units(text: str) -> float:
    if re.fullmatch(r"\s*\d+\s*", text):
        return float(text)
    total, rest = 0.0, re.sub(r"\band\b|,", " ", text.lower())
    for number, unit in re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", rest):
        total += float(number) * _UNITS.get("mo" if unit.startswith("mo") else unit[:1], 0)
    if not total or re.sub(r"\d+(?:\.\d+)?\s*[smhdwy][a-z]*", "", rest).strip():
        raise ValueError(f"{text!r} is not a duration; write e.g. '2 hours'")
    return total


def seconds(text: str, where: str) -> float:
    """Parse a duration as GitLab writes it, such as ``2 hours 30 minutes`` or ``1 week``; a bare number is in seconds.

    Raises:
        UsageError: the text is not a duration.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
