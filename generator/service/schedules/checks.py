"""Checks of the fields that clients and people set of a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.package.job_numbers import job_number
from generator.service.project.project import Project
from generator.shared.cron_times import check_expression, check_time_zone

_LONGEST = 255
_LARGEST = 2**31 - 1
"""The largest number that the column of a schedule's package holds."""


class FieldError(Exception):
    """A field of a schedule is invalid; the message fits after the field's name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field, self.message = field, message


def check_fields(project: Project, given: Mapping[str, str]) -> dict[str, str]:
    """Return given fields (description, ref, cron, cron_timezone) as they are stored.

    Raises:
        FieldError: one is invalid, or the ref does not exist.
    """
    checks = {"description": _description, "cron": _cron, "cron_timezone": _time_zone}
    fields = {name: checks[name](given[name]) for name in checks if name in given}
    if "ref" in given:
        if project.resolve(given["ref"]) is None:
            raise FieldError("ref", "is not a branch or tag of the project")
        fields["ref"] = given["ref"]
    return fields


def _description(text: str) -> str:
    if len(text) > _LONGEST or not text.isprintable():
        raise FieldError("description", f"must be one line of at most {_LONGEST} characters")
    return text.strip()


def _cron(text: str) -> str:
    try:
        return check_expression(text)
    except ValueError as error:
        raise FieldError("cron", f"is invalid syntax: {error}") from None


def _time_zone(name: str) -> str:
    try:
        return check_time_zone(name)
    except ValueError as error:
        raise FieldError("cron_timezone", f"is invalid syntax: {error}") from None


def package_job(variables: list[Any]) -> int | None:
    """Return the job whose package a schedule's pipelines run, None if they run none."""
    number = job_number(next((str(one["value"]) for one in variables if one["key"] == "package"), ""))
    return number if number is not None and number <= _LARGEST else None
