"""``ap-validator`` (PyPI: ogc-ap-validator), the OGC's best practice for application packages (20-089r1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generator.package.oracles.documents import FOR_PLATFORMS, existing
from generator.package.oracles.opinion import Opinion
from generator.package.oracles.programs import judge_with

name = "ap-validator"
profile = "ogc"
loads = True


def documents(folder: Path) -> list[Path]:
    """List the documents for platforms."""
    return existing(folder, *FOR_PLATFORMS)


def judge(documents: Sequence[Path]) -> list[Opinion]:
    """Report errors, and hints about parameters as warnings.

    Raises:
        NotInstalledError: the validator is not installed.
    """
    return judge_with("ap_validator", documents, program="ap-validator")
