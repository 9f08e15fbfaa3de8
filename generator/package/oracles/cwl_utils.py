"""``cwl-utils``: its parser, and its packer where a document defines no types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generator.package.oracles.documents import cwl_documents
from generator.package.oracles.opinion import Opinion
from generator.package.oracles.programs import judge_with

name = "cwl-utils"
profile = ""
loads = True


def documents(folder: Path) -> list[Path]:
    """List all CWL documents."""
    return cwl_documents(folder)


def judge(documents: Sequence[Path]) -> list[Opinion]:
    """Parse and pack every document.

    Raises:
        NotInstalledError: the validator is not installed.
    """
    return judge_with("cwl_utils", documents)
