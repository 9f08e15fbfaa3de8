"""``eoap-validator`` with all of its profiles: the package, its metadata, and its staging."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generator.package.oracles.documents import FOR_PLATFORMS, existing
from generator.package.oracles.opinion import Opinion
from generator.package.oracles.programs import judge_with

name = "eoap-validator"
profile = "eoap"
loads = True


def documents(folder: Path) -> list[Path]:
    """List the documents for platforms."""
    return existing(folder, *FOR_PLATFORMS)


def judge(documents: Sequence[Path]) -> list[Opinion]:
    """Report failed rules; as warnings rules that need a review, and metadata that nobody states.

    Raises:
        NotInstalledError: the validator is not installed.
    """
    return judge_with("eoap_validator", documents, program="eoap-validator")
