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
from itertools import accumulate, takewhile
from pathlib import Path
from typing import Any

from generator.notebook.interface import cwl_id
from generator.repository.process_folders import without_carried
from generator.service.http_errors import raise_not_found
from generator.shared.damaged_archives import archive_errors

longest_text = 8 << 20
_LONGEST_ADDRESS, _LONGEST_RECORD = 1000, 1 << 20
_MOST_PACKAGES = 50
_MOST_RECORDS, _LONGEST_RECORDS = 500, 8 << 20
"""Packages of a job whose ``package.json`` are read at once, and the bytes of all of these files."""
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

    def packages(self) -> Sequence[str]:
        """Return the folders with a package, see `without_carried`.

        They are only below ``packages/``, since a run may write anything elsewhere.
        """
        try:
            found = self.file.stat()
            return _folders(self.file, found.st_mtime_ns, found.st_size)
        except archive_errors:
            return ()

    def package(self, folder: str) -> Mapping[str, Any]:
        """Return the ``package.json`` of a package.

        Raises:
            HttpError: 404, the folder has no valid ``package.json``.
        """
        if folder not in self.packages():
            raise_not_found()
        found = _parse_record(self.read(f"{folder}/package.json"))
        if found is None:
            raise_not_found()
        return found

    def records(self) -> tuple[tuple[str, Mapping[str, Any]], ...] | None:
        """Return each package with its ``package.json``, without invalid ones; None if it cannot read all of them."""
        folders, sizes = self.packages(), self.sizes()
        size = sum(sizes.get(f"{folder}/package.json", 0) for folder in folders)
        if not self.is_listed() or len(folders) > _MOST_RECORDS or size > _LONGEST_RECORDS:
            return None
        try:
            return tuple((folder, record) for folder, record in _read_records(self.file, folders) if record is not None)
        except archive_errors:
            return None

    def secret_inputs(self) -> frozenset[str] | None:
        """Return the names of its packages' secret inputs, as declared and as CWL identifiers; None if unknown."""
        records, found = self.records(), set[str]()
        if records is None:
            return None
        for _, record in records:
            inputs = record["interface"].get("inputs")
            listed = [one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []
            names = [str(one.get("name", "")) for one in listed if one.get("secret")]
            found.update(names, map(cwl_id, names))
        return frozenset(found)


def _read_records(file: Path, folders: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Yield packages with their ``package.json``, None for an invalid one; to open an archive takes longest."""
    if not folders:
        return
    with open_archive(file) as packed:
        for folder in folders:
            record = None
            with suppress(*archive_errors):
                record = _parse_record(packed.read(f"{folder}/package.json"))
            yield folder, record


def _parse_record(text: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    parts = ("repository", "commit", "process", "image", "interface")
    return found if isinstance(found, dict) and all(isinstance(found.get(part), dict) for part in parts) else None


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
    sizes, folders = archive.sizes(), archive.packages()[:_MOST_PACKAGES]
    if not sizes:
        raise _UnreadableError
    lengths = accumulate(sizes[f"{folder}/package.json"] for folder in folders)
    read = sum(1 for _ in takewhile(lambda length: length <= _LONGEST_RECORD, lengths))
    try:
        found = [_entry(folder, record) for folder, record in _read_records(file, folders[:read])]
    except archive_errors:
        raise _UnreadableError from None
    return (*found, *(PackageEntry(folder=folder) for folder in folders[read:]))


def _entry(folder: str, record: Mapping[str, Any] | None) -> PackageEntry:
    if record is None:
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
def _folders(file: Path, changed: int, length: int) -> Sequence[str]:
    names = _sizes(file, changed, length)
    tops = [posixpath.dirname(name) for name in names if posixpath.basename(name) == "package.json"]
    return tuple(without_carried(top for top in tops if top.startswith("packages/") and f"{top}/process.cwl" in names))


@lru_cache(maxsize=32)
def _sizes(file: Path, _changed: int, _length: int) -> Mapping[str, int]:
    with open_archive(file, largest=_LARGEST_DIRECTORY) as packed:
        return {one.filename: one.file_size for one in packed.infolist() if not one.is_dir()}
