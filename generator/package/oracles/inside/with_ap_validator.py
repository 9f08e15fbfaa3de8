"""OGC 20-089r1 with ``ap-validator`` (https://github.com/EOEPCA/app-package-validation)."""

from __future__ import annotations

from ap_validator.app_package import AppPackage


def judge(path: str) -> tuple[list[str], list[str]]:
    """Return errors and hints."""
    issues = AppPackage.from_url(path).check_all(["error", "hint"])["issues"]
    faults = [one["message"] for one in issues if one["type"] == "error"]
    return faults, [one["message"] for one in issues if one["type"] == "hint"]
