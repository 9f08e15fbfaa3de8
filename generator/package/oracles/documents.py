"""Which documents of a package the validators judge."""

from __future__ import annotations

from pathlib import Path

from generator.repository.checkout import inside, is_file

APPLICATION = "application.cwl"
"""The self-contained document for platforms."""
FOR_PLATFORMS = (APPLICATION, "scatter.cwl")
"""All self-contained documents for platforms."""


def cwl_documents(folder: Path) -> list[Path]:
    """List all CWL documents."""
    return sorted(folder.glob("*.cwl"))


def existing(folder: Path, *names: str) -> list[Path]:
    """List the named documents that the package has."""
    return [folder / name for name in names if is_file(folder / name)]


def leaves_package(document: Path) -> bool:
    """Whether a document is a link to a file elsewhere, whose content a validator's message could show."""
    return inside(document.parent, document.name) is None
