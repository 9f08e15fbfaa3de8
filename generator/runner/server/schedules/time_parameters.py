"""Parameters that get the time of a scheduled run as text, such as ``{"date": "%Y-%m-%d"}``.

A format chooses parts of the time and joins them with other text; there is nothing in it to evaluate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from generator.notebook.interface import Interface
from generator.runner.server.problems import ProblemError
from generator.runner.server.values.texts import typed_values

_DIRECTIVES = "YmdHMSyjaAbBpIGVuwzZ%"
_FORMAT = re.compile(rf"(?:[^%]|%[{_DIRECTIVES}])*")
_LONGEST = 200
_MOST = 100


def check_formats(formats: Mapping[str, str]) -> dict[str, str]:
    """Return formats by parameter.

    Raises:
        ProblemError: 400, with each that is not a format.
    """
    if len(formats) > _MOST:
        raise ProblemError(400, f"time_parameters: more than {_MOST} parameters")
    wrong = [
        f"time_parameters.{name}: {text[:_LONGEST]!r} is not a format of a time; write text with "
        f"{', '.join(f'%{one}' for one in _DIRECTIVES)}, such as '%Y-%m-%d'"
        for name, text in formats.items()
        if not _FORMAT.fullmatch(text) or len(text) > _LONGEST or not text.isprintable()
    ]
    if wrong:
        raise ProblemError(400, "the schedule is not valid", issues=wrong)
    return dict(formats)


def time_values(formats: Mapping[str, str], interface: Interface, time: datetime, zone: str) -> dict[str, Any]:
    """Return the values of the parameters for a run at a time, in a time zone, with the types of the parameters."""
    local = time.astimezone(ZoneInfo(zone))
    return typed_values(interface, [(name, local.strftime(text)) for name, text in formats.items()])
