"""Numbers of CI jobs, as variables of a pipeline name them."""

from __future__ import annotations

_LONGEST = 18
"""Digits of a job's number: GitLab's are 64-bit integers."""


def job_number(text: str) -> int | None:
    """Return the number of a job in a variable such as ``package``; None if the text is not one.

    The service, which masks the secret inputs of this job's package, and the job itself have to read the same number.
    """
    digits = text.strip()
    is_number = digits.isascii() and digits.isdecimal() and len(digits.lstrip("0")) <= _LONGEST
    return int(digits.lstrip("0") or "0") if is_number else None
