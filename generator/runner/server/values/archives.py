"""ZIP archives of folders that callers send, unpacked within bounds."""

from __future__ import annotations

import os
import posixpath
import secrets
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, cast

from generator.notebook.literals import MisfitError, shorten
from generator.runner.server.values.names import plain_path
from generator.runner.server.values.room import MOST_ENTRIES, Room
from generator.shared.damaged_archives import archive_errors, is_damage
from generator.shared.removal import remove_tree

_PIECE = 1024**2
_LARGEST_DIRECTORY = 16 << 20
"""Bytes of the list of an archive's files: of each one, zipfile makes an object of some ten times its length."""
_MOST_LISTED = 4 * MOST_ENTRIES
"""Files in it, of which most may be those of macOS."""
_ENTRY = b"PK\1\2"
"""What each of them begins with (APPNOTE, section 4.3.12)."""


def unpack(archive: Path | BinaryIO, folder: Path, room: Room) -> None:
    """Unpack a ZIP archive to a new folder, within the room that its request has left.

    Raises:
        MisfitError: the file is not such an archive, is too large, or has names that are not plain, links or passwords;
            or the folder exists.
    """
    if os.path.lexists(folder):  # of another file of the request
        raise MisfitError(f"is the second file or folder named {folder.name!r} in this request")
    try:
        with _open(archive) as opened:
            entries = [entry for entry in opened.infolist() if not _is_of_finder(entry.filename)]
            _check_number(entries)
            room.make_folder(folder)
            for entry in entries:
                _unpack_entry(opened, entry, folder, room)
    except (FileExistsError, NotADirectoryError) as error:
        raise MisfitError(f"is an archive with two entries named {Path(error.filename).name!r}") from None
    except MisfitError:
        raise
    except archive_errors as error:
        if not is_damage(error):
            raise
        raise MisfitError(f"is not a ZIP archive that can be read: {str(error)[:100]}") from None


@contextmanager
def _open(archive: Path | BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open an archive if the list of its files is within limits; zipfile reads all of it, of any length."""
    with archive.open("rb") if isinstance(archive, Path) else nullcontext(archive) as stream:
        bounded = _BoundedDirectory(stream)
        with zipfile.ZipFile(cast("BinaryIO", bounded)) as opened:
            bounded.is_read = True
            yield opened


class _BoundedDirectory:
    """A file of which zipfile first reads the list of files, in one piece, wherever its records place it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.is_read = False
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable
        self._read = stream.read

    def read(self, size: int = -1) -> bytes:
        if self.is_read:
            return self._read(size)
        if size > _LARGEST_DIRECTORY:
            raise MisfitError(f"is an archive whose list of files has more than {_LARGEST_DIRECTORY} bytes")
        data = self._read(size)
        if data.count(_ENTRY) > _MOST_LISTED:
            raise MisfitError(f"is an archive with more than {MOST_ENTRIES} files")
        return data


def _check_number(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES:
        raise MisfitError(f"is an archive with more than {MOST_ENTRIES} files")


def _unpack_entry(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, room: Room) -> None:
    target = folder / plain_path(posixpath.normpath(entry.filename))
    if entry.is_dir():
        room.make_folder(target)
        return
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise MisfitError(f"is an archive in which {shorten(entry.filename)} is not a regular file")
    room.make_folder(target.parent)
    room.take_entry()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with opened.open(entry) as source, os.fdopen(descriptor, "wb") as sink:
        while piece := source.read(_PIECE):
            room.take_bytes(len(piece))
            sink.write(piece)


def _is_of_finder(name: str) -> bool:
    """Check for what macOS adds to archives, which is of no use elsewhere."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"


def unpack_in_place(archive: Path, room: Room) -> None:
    """Replace a ZIP archive by the folder that it holds.

    Raises:
        MisfitError: see `unpack`.
    """
    packed = archive.with_name(f"{archive.name}.packed-{secrets.token_hex(8)}")
    archive.rename(packed)
    try:
        unpack(packed, archive, room)
    except BaseException:
        remove_tree(archive)
        raise
    finally:
        packed.unlink()
