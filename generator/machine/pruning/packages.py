"""Find what packages use, on disk and in the artifacts of a service: names of images, and the layers in records."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from generator.package.folder import documents_of, is_leftover
from generator.package.record import read_record
from generator.shared.damaged_archives import archive_errors
from generator.shared.errors import UsageError

_RECORD = "package.json"
_OTHER_DOCUMENTS = frozenset(
    ("application.cwl", "applicationDescriptor.json", "ogcapppkg.json", "process.cwl", "processDescription.json")
)
"""Each package has these next to its record; files of other programs have the name of a record, too."""
_LARGEST = 16 * 1024**2
"""Bytes of a record in an archive that are read."""
_DEEPEST = 100
"""Folders below the folder of packages: owner (with groups), name, checkout (with slashes), process."""


def used_by_packages(folder: Path) -> frozenset[str]:
    """Return the names and layers that the packages below a folder use; nothing if the folder is missing.

    A file of another program that is named as a record, such as npm's, need not be JSON.

    Raises:
        UsageError: a package cannot be read, so that what it uses is unknown.
    """
    used: set[str] = set()
    for package, files in _packages(folder):
        try:
            used.update(_used_by(read_record(package)))
        except (OSError, ValueError) as error:
            if _OTHER_DOCUMENTS.isdisjoint(files) or _is_carried(package, folder):
                continue
            reason = f"cannot be read: {error}; repair or remove this package"
            raise UsageError(f"{package}/{_RECORD}: {reason}") from None
    return frozenset(used)


def _is_carried(folder: Path, top: Path) -> bool:
    """Whether a folder is an example value of a package above it, which may look like a package."""
    parents = folder.relative_to(top).parents
    return any(str(folder.relative_to(top / one) / _RECORD) in (documents_of(top / one) or ()) for one in parents)


def used_by_artifacts(data: Path) -> frozenset[str]:
    """Return the names and layers that the packages in a service's artifacts use; broken archives hold none.

    A run can leave a file that is named as the record of a package and is not one.

    Raises:
        UsageError: a folder or an archive cannot be read, so that what its packages use is unknown.
    """
    used: set[str] = set()
    for archive in _archives(data):
        try:
            with archive.open("rb") as file:
                used.update(_used_by_archive(file))
        except (NotADirectoryError, IsADirectoryError):
            continue
        except OSError as error:
            _refuse_unknown(error)
    return frozenset(used)


def _archives(data: Path) -> Iterator[Path]:
    """Yield the paths of the jobs' artifacts; none if the folder of jobs is missing."""
    try:
        jobs = sorted((data / "jobs").iterdir())
    except OSError as error:
        _refuse_unknown(error)
        return
    yield from (job / "artifacts.zip" for job in jobs if job.name[0].isdigit())


def _used_by_archive(file: IO[bytes]) -> Iterator[str]:
    with suppress(*archive_errors), zipfile.ZipFile(file) as opened:
        for name in opened.namelist():
            if name.rpartition("/")[2] == _RECORD:
                with suppress(*archive_errors):
                    yield from _used_by(_read_member(opened, name))


def _read_member(archive: zipfile.ZipFile, name: str) -> object:
    with archive.open(name) as file:
        return json.loads(file.read(_LARGEST))


def _packages(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the folders that may be packages, and their files.

    They can be behind links, which `packmill build` follows, and in hidden folders.

    A repository or its owner can have a name that begins with a dot.
    """
    top = len(folder.parts)
    seen = set()
    for root, folders, files in os.walk(folder, onerror=_refuse_unknown, followlinks=True):
        try:
            status = Path(root).stat()
        except OSError as error:
            _refuse_unknown(error)
            continue
        place = (status.st_dev, status.st_ino)
        if place in seen or len(Path(root).parts) - top >= _DEEPEST:  # links can lead to each other
            folders.clear()
        seen.add(place)
        folders[:] = [name for name in folders if not is_leftover(Path(name))]
        if _RECORD in files:
            yield Path(root), files


def _refuse_unknown(error: OSError) -> None:
    """Refuse a folder that cannot be listed, which may have packages; one that was removed meanwhile has none."""
    if not isinstance(error, FileNotFoundError):
        reason = f"cannot be read: {error.strerror}; the images that its packages use are unknown"
        raise UsageError(f"{error.filename}: {reason}") from None


def _used_by(record: object) -> Iterator[str]:
    for key in ("image", "staging"):
        image = _mapping(_mapping(record).get(key))
        name, digest = image.get("reference"), image.get("digest")
        if isinstance(name, str):
            yield name
            yield name.partition("@")[0]
        if isinstance(digest, str):
            yield digest
    layers = _mapping(_mapping(record).get("build")).get("layers")
    yield from (one for one in layers if isinstance(one, str)) if isinstance(layers, list) else ()


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
