"""``cwl2ogc``: ``application.cwl`` and ``processDescription.json`` describe the same inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generator.package.oracles.documents import APPLICATION, existing, leaves_package
from generator.package.oracles.opinion import Opinion
from generator.package.oracles.programs import judge_with
from generator.shared.yaml_limits import largest_text

name = "cwl2ogc"
profile = "ogc"
loads = True


def documents(folder: Path) -> list[Path]:
    """List the document for platforms, if the package has a description to compare it with."""
    described = [one for one in existing(folder, "processDescription.json") if not leaves_package(one)]
    is_read = any(
        one.stat().st_size <= largest_text for one in described
    )  # JSON Schema's validator reports a larger one
    return existing(folder, APPLICATION) if is_read else []


def judge(documents: Sequence[Path]) -> list[Opinion]:
    """Report differences in names, types and choices.

    Raises:
        NotInstalledError: the validator is not installed.
    """
    return judge_with("cwl2ogc", documents)
