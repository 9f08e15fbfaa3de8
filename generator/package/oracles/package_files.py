"""The rule of ``inputs.yml``: its files are the package's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generator.package.document_rules.values import foreign_files
from generator.package.oracles.documents import existing
from generator.package.oracles.opinion import Opinion

name = "files in the package"
profile = ""
loads = False


def documents(folder: Path) -> list[Path]:
    """List the job file."""
    return existing(folder, "inputs.yml")


def judge(documents: Sequence[Path]) -> list[Opinion]:
    """Report files outside of the package."""
    return [
        Opinion(faults=tuple(problem.removeprefix(f"{job.name}: ") for problem in foreign_files(job)))
        for job in documents
    ]
