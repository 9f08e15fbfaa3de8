"""Unpack a ZIP archive of a client: only into its own folder, only regular files, and only so much."""

from __future__ import annotations

import io
import posixpath
import stat
import zipfile
import zlib
from pathlib import Path

from generator.runner.server.ogc.errors import invalid_value
from generator.shared.file_names import is_portable

_MOST_FILES = 10_000
_CHUNK = 1 << 20


def unpack_archive(data: bytes, folder: Path, *, what: str, largest: int) -> None:
    """Unpack an archive into a new folder.

    Raises:
        ProblemError: 400, it is not a ZIP archive, has a name outside of the folder or a link, or is too large.
    """
    folder.mkdir(mode=0o700)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _unpack(archive, folder, what, largest)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise invalid_value(f"{what}: not a ZIP archive that can be unpacked: {error}") from None


def _unpack(archive: zipfile.ZipFile, folder: Path, what: str, largest: int) -> None:
    members = archive.infolist()
    if len(members) > _MOST_FILES:
        raise invalid_value(f"{what}: the archive has {len(members)} files; the limit is {_MOST_FILES}")
    left = largest
    for member in members:
        target = folder / _checked_name(member, what)
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        left = _write(archive, member, target, left)
        if left < 0:
            raise invalid_value(f"{what}: the files of the archive have more than {largest} bytes")


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Write a file, and return how many bytes the others may have; the sizes in an archive may be wrong."""
    with archive.open(member) as source, target.open("xb") as file:
        while left >= 0 and (chunk := source.read(_CHUNK)):
            left -= len(chunk)
            file.write(chunk)
    return left


def _checked_name(member: zipfile.ZipInfo, what: str) -> str:
    name = posixpath.normpath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if name.startswith(("/", "..")) or "\\" in name or not is_portable(name):
        raise invalid_value(f"{what}: the archive has the file name {member.filename!r}, which is not allowed")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise invalid_value(f"{what}: {member.filename!r} in the archive is neither a file nor a folder")
    return name
