"""Files that were uploaded for a run: the service puts them in the folder ``uploads`` of the job's work folder."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path("uploads")


def add_uploads(package: Path) -> None:
    """Move uploaded files into a package's folder, where paths of its values start and files may be used."""
    if _FOLDER.is_dir():
        _FOLDER.rename(package / _FOLDER.name)
