"""What jobs left, read without unpacking: names, texts, and packages among them."""

from __future__ import annotations

import json
import posixpath
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from generator.service.answers import AnswerError, not_found

_LONGEST_TEXT = 8 << 20
_LONGEST_ADDRESS, _LONGEST_RECORD = 1000, 1 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """The artifacts of a job."""

    file: Path

    def sizes(self) -> dict[str, int]:
        """Every file and its size in bytes; empty where nothing was kept."""
        try:
            with zipfile.ZipFile(self.file) as packed:
                return {one.filename: one.file_size for one in packed.infolist() if not one.is_dir()}
        except (OSError, zipfile.BadZipFile):
            return {}

    def read(self, name: str) -> bytes:
        """A file's content.

        Raises:
            AnswerError: 404, it is not there, or too long to be shown.
        """
        try:
            with zipfile.ZipFile(self.file) as packed:
                if packed.getinfo(name).file_size > _LONGEST_TEXT:
                    not_found()
                return packed.read(name)
        except (OSError, KeyError, zipfile.BadZipFile):
            not_found()

    def packages(self) -> list[str]:
        """The folders that hold a package; what lies outside ``packages/`` a run has written, and a run is anyone's."""
        names = self.sizes()
        tops = [posixpath.dirname(name) for name in sorted(names) if posixpath.basename(name) == "package.json"]
        return [top for top in tops if top.startswith("packages/") and f"{top}/process.cwl" in names]

    def package(self, folder: str) -> Mapping[str, Any]:
        """The ``package.json`` of a package.

        Raises:
            AnswerError: 404, there is none that can be read.
        """
        if folder not in self.packages():
            not_found()
        try:
            found = json.loads(self.read(f"{folder}/package.json"))
        except (ValueError, RecursionError):
            not_found()
        parts = ("repository", "commit", "process", "image", "interface")
        if not isinstance(found, dict) or not all(isinstance(found.get(part), dict) for part in parts):
            not_found()
        return found


@lru_cache(maxsize=1024)
def repository_address(file: Path) -> str:
    """The address of the repository that the packages of a job were made from; empty where it cannot be read.

    A job's artifacts never change, so each file is read once.
    """
    archive = Archive(file)
    sizes = archive.sizes()
    for folder in archive.packages():
        if sizes[f"{folder}/package.json"] > _LONGEST_RECORD:
            continue
        try:
            address = archive.package(folder)["repository"].get("address")
        except AnswerError:
            continue
        if isinstance(address, str) and address.isprintable() and len(address) <= _LONGEST_ADDRESS:
            return address
    return ""
