"""Measure the data folder."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from generator.service.store.job_folders import DataFolder

_KINDS = {"builds": "work", "tmp": "work", "cache": "cache", "run-files": "uploads", "uploads": "uploads"}

_FIELDS = ("artifacts", "logs", "pages", "uploads", "work", "cache", "database")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Bytes of the data folder by their kind, measured at ``time`` within ``seconds``."""

    artifacts: int = 0
    logs: int = 0
    pages: int = 0
    """Notebooks rendered from artifacts."""
    uploads: int = 0
    """Files that people and programs uploaded."""
    work: int = 0
    """Folders of running jobs."""
    cache: int = 0
    database: int = 0
    """Rows, secret values, and the project's repository."""
    time: float = 0.0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """All bytes."""
        return sum(self.by_kind().values())

    def by_kind(self) -> dict[str, int]:
        """Return the bytes of each kind."""
        return {name: getattr(self, name) for name in _FIELDS}


def measure(data: DataFolder) -> Usage:
    """Measure a data folder; files that disappear meanwhile count nothing."""
    begun, sizes = time.monotonic(), Counter[str]()
    for entry in _entries(data.path):
        if entry.name == "jobs":
            for job in _entries(entry.path):
                sizes.update(_job_sizes(job.path))
        else:
            sizes[_KINDS.get(entry.name, "database")] += _size(entry)
    return Usage(**sizes, time=time.time(), seconds=time.monotonic() - begun)


def _job_sizes(folder: str) -> Counter[str]:
    sizes = Counter[str]()
    for entry in _entries(folder):
        kind = {"artifacts.zip": "artifacts", "pages": "pages"}.get(entry.name, "logs")
        sizes[kind] += _size(entry)
    return sizes


def folder_size(folder: Path | str) -> int:
    """Return the bytes of the files below a folder, without following links; a run can nest folders by the thousand."""
    total, waiting = 0, [folder]
    while waiting:
        for entry in _entries(waiting.pop()):
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def _size(entry: os.DirEntry[str]) -> int:
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
        return folder_size(entry.path) if is_folder else entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError:
        return
