"""Artifacts of jobs, read without unpacking: names, texts and packages. Their content may be hostile."""

from __future__ import annotations

import json
import os
import posixpath
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from generator.notebook.interface import cwl_id
from generator.repository.process_folders import without_carried
from generator.service.http_errors import HttpError, raise_not_found
from generator.shared.damaged_archives import archive_errors

longest_text = 8 << 20
_LONGEST_ADDRESS, _LONGEST_RECORD = 1000, 1 << 20
_MOST_PACKAGES = 50
_LARGEST_DIRECTORY, _LARGEST_OPENED = 8 << 20, 32 << 20
"""Limits in bytes on an archive's central directory: to list its files (some 80,000 names), and to read one of them."""
_END, _LARGE_END, _LONGEST_END = b"PK\5\6", b"PK\6\6", (1 << 16) + 128


@dataclass(frozen=True, slots=True)
class Archive:
    """The artifacts of a job."""

    file: Path

    def sizes(self) -> Mapping[str, int]:
        """Return every file's size in bytes; empty without an archive, or for one that cannot be read."""
        try:
            found = self.file.stat()
            return _sizes(self.file, found.st_mtime_ns, found.st_size)
        except archive_errors:
            return {}

    def is_listed(self) -> bool:
        """Return whether the names of its files can be shown."""
        return bool(self.sizes()) or not self.file.is_file()

    def read(self, name: str) -> bytes:
        """Return a file's content.

        Raises:
            HttpError: 404, the file does not exist or is too long to be shown.
        """
        if self.sizes().get(name, longest_text + 1) > longest_text:
            raise_not_found()
        try:
            with zipfile.ZipFile(self.file) as packed:
                return packed.read(name)
        except archive_errors:
            raise_not_found()

    def beginnings(self, names: Sequence[str], length: int) -> Iterator[tuple[str, bytes]]:
        """Yield names with the first bytes of their files, of any size; damaged files are left out."""
        with suppress(*archive_errors), open_archive(self.file) as packed:
            for name in names:
                with suppress(*archive_errors), packed.open(name) as member:
                    yield name, member.read(length)

    def without_copies(self, names: Sequence[str]) -> list[str]:
        """Return names without those of files that have the content of an earlier one."""
        found: dict[tuple[int, int], str] = {}
        try:
            with open_archive(self.file) as packed:
                for name in names:
                    one = packed.getinfo(name)
                    found.setdefault((one.CRC, one.file_size), name)
        except archive_errors:
            return list(names)
        return list(found.values())

    def packages(self) -> list[str]:
        """Return the folders with a package, see `without_carried`.

        They are only below ``packages/``, since a run may write anything elsewhere.
        """
        names = self.sizes()
        tops = [posixpath.dirname(name) for name in names if posixpath.basename(name) == "package.json"]
        return without_carried(top for top in tops if top.startswith("packages/") and f"{top}/process.cwl" in names)

    def package(self, folder: str) -> Mapping[str, Any]:
        """Return the ``package.json`` of a package.

        Raises:
            HttpError: 404, the folder has no valid ``package.json``.
        """
        if folder not in self.packages():
            raise_not_found()
        try:
            found = json.loads(self.read(f"{folder}/package.json"))
        except (ValueError, RecursionError):
            raise_not_found()
        parts = ("repository", "commit", "process", "image", "interface")
        if not isinstance(found, dict) or not all(isinstance(found.get(part), dict) for part in parts):
            raise_not_found()
        return found

    def secret_inputs(self) -> frozenset[str]:
        """Return the names of its packages' secret inputs, as declared and as CWL identifiers."""
        found = set[str]()
        for folder in self.packages()[:_MOST_PACKAGES]:
            with suppress(HttpError):
                inputs = self.package(folder)["interface"].get("inputs")
                listed = [one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []
                names = [str(one.get("name", "")) for one in listed if one.get("secret")]
                found.update(names, map(cwl_id, names))
        return frozenset(found)


class _UnreadableError(Exception):
    """An archive has no files, or cannot be read, perhaps only now: too many files may be open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageEntry:
    """A package in an archive; texts that ``package.json`` lacks, or that cannot be shown, are empty."""

    folder: str
    address: str = ""
    checkout: str = ""
    process: str = ""
    commit: str = ""
    """The first line of the commit's message."""


def list_packages(file: Path) -> tuple[PackageEntry, ...]:
    """List the packages in a job's artifacts with their repository, checkout, process and commit.

    A job's artifacts never change, so each file is read once; one that cannot be read now is read again.
    """
    try:
        return _packages(file)
    except _UnreadableError:
        return ()


@lru_cache(maxsize=1024)
def _packages(file: Path) -> tuple[PackageEntry, ...]:
    archive = Archive(file)
    sizes, left = archive.sizes(), _LONGEST_RECORD
    if not sizes:
        raise _UnreadableError
    found = []
    for folder in archive.packages()[:_MOST_PACKAGES]:
        left -= sizes[f"{folder}/package.json"]
        found.append(_entry(archive, folder) if left >= 0 else PackageEntry(folder=folder))
    return tuple(found)


def _entry(archive: Archive, folder: str) -> PackageEntry:
    try:
        record = archive.package(folder)
    except HttpError:
        return PackageEntry(folder=folder)
    return PackageEntry(
        folder=folder,
        address=_short_text(record["repository"].get("address")),
        checkout=_short_text(record.get("checkout")),
        process=_short_text(record["process"].get("path")),
        commit=_short_text(_first_line(record["commit"].get("message"))),
    )


def _first_line(value: Any) -> str:
    return value[:_LONGEST_ADDRESS].strip().partition("\n")[0].rstrip() if isinstance(value, str) else ""


def _short_text(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST_ADDRESS else ""


def open_archive(file: Path, *, largest: int = _LARGEST_OPENED) -> zipfile.ZipFile:
    """Open an archive whose central directory is within a size limit.

    Raises:
        ValueError or another error of `archive_errors`: the directory is too large, or the archive cannot be read.
    """
    if _directory_size(file) > largest:
        raise ValueError("too many files to list")
    return zipfile.ZipFile(file)


def _directory_size(file: Path) -> int:
    """Return the size of the central directory as the end of an archive states it (APPNOTE.TXT, 4.3.14 and 4.3.16)."""
    with file.open("rb") as opened:
        length = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, length - _LONGEST_END))
        tail = opened.read()
    end, large = tail.rfind(_END), tail.rfind(_LARGE_END)
    size = tail[large + 40 : large + 48] if large >= 0 else tail[end + 12 : end + 16] if end >= 0 else b""
    return int.from_bytes(size, "little")


@lru_cache(maxsize=32)
def _sizes(file: Path, _changed: int, _length: int) -> Mapping[str, int]:
    with open_archive(file, largest=_LARGEST_DIRECTORY) as packed:
        return {one.filename: one.file_size for one in packed.infolist() if not one.is_dir()}
