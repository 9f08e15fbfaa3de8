"""``cwltool --validate --strict``, in packmill's own program, which reads nothing outside of the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generator.package.engines import cwltool
from generator.package.oracles.documents import cwl_documents
from generator.package.oracles.opinion import Opinion

name = "cwltool --validate --strict"
profile = ""
loads = True


def documents(folder: Path) -> list[Path]:
    """List all CWL documents."""
    return cwl_documents(folder)


def judge(documents: Sequence[Path]) -> list[Opinion]:
    """Validate all documents in one process."""
    found = cwltool.validate(documents)
    return [Opinion(faults=(one.problem,) if one.problem else (), seconds=one.seconds) for one in found]
