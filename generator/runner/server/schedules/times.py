"""Checks of the cron expression and the time zone that a client sets, with HTTP's problems."""

from __future__ import annotations

from generator.runner.server.problems import ProblemError
from generator.shared import cron_times


def check_expression(text: str) -> str:
    """Return a cron expression in its five fields.

    Raises:
        ProblemError: 400, the text is not an expression.
    """
    try:
        return cron_times.check_expression(text)
    except ValueError as error:
        raise ProblemError(400, f"cron: {error}") from None


def check_time_zone(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        ProblemError: 400, there is no such zone.
    """
    try:
        return cron_times.check_time_zone(name)
    except ValueError as error:
        raise ProblemError(400, f"time_zone: {error}") from None
