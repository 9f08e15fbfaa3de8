"""Files that were uploaded for a run: the service puts them in the folder ``uploads`` of the job's work folder."""

from __future__ import annotations

from pathlib import Path

from generator.shared.errors import UsageError

_FOLDER = Path("uploads")


def add_uploads(package: Path) -> None:
    """Move uploaded files into a package's folder, where paths of its values start and files may be used.

    The folder may exist: a process ``uploads.ipynb`` that was built together with this one has its package there.

    Raises:
        UsageError: the package has a file or a folder in the place of an uploaded one.
    """
    if not _FOLDER.is_dir():
        return
    target = package / _FOLDER.name
    if target.is_file():
        raise UsageError(f"the package has a file {_FOLDER}, where uploaded files belong; rename it in the repository")
    target.mkdir(exist_ok=True)
    for uploaded in sorted(_FOLDER.iterdir()):
        place = target / uploaded.name
        if place.exists():
            raise UsageError(f"the package has {_FOLDER / uploaded.name}, where an uploaded file belongs; rename it")
        uploaded.rename(place)
    _FOLDER.rmdir()
