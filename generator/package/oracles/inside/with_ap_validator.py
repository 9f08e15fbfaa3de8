"""OGC 20-089r1 with ``ap-validator`` (https://github.com/EOEPCA/app-package-validation)."""

from __future__ import annotations

from pathlib import Path

from ap_validator.app_package import AppPackage

_OF_INPUTS = ("req-12", "req-13")
"""Requirements whose hint is that no input is a folder: right for a process that reads no products."""


def judge(path: str) -> tuple[list[str], list[str]]:
    """Return errors, and as warnings the hints that are not about inputs.

    The text is passed, because ap-validator cuts a path at ``#`` and reads files in the encoding of the locale.
    """
    issues = AppPackage.from_string(Path(path).read_text(encoding="utf-8")).check_all(["error", "hint"])["issues"]
    faults = [one["message"] for one in issues if one["type"] == "error"]
    return faults, [one["message"] for one in issues if one["type"] == "hint" and one["req"] not in _OF_INPUTS]
