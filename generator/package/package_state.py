"""The documents of a package at one moment, to notice that a build has replaced them."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from generator.shared.regular_files import open_regular_file
from generator.shared.yaml_limits import largest_text

_LARGEST = 4 * largest_text
"""Bytes of a document that are compared: packmill reads no longer one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageState:
    """The folder of a package, and a digest of its CWL documents and its record."""

    folder: Path
    digest: str

    def has_changed(self) -> bool:
        """Return whether the package has other documents now; times and other files do not count."""
        return read_state(self.folder).digest != self.digest


def read_state(folder: Path) -> PackageState:
    """Read the state of a package; a document that cannot be read counts as empty."""
    digest = hashlib.sha256()
    for path in (*sorted(folder.glob("*.cwl")), folder / "package.json"):
        content = b""
        with suppress(OSError), open_regular_file(path) as file:
            content = file.read(_LARGEST)
        digest.update(repr(path.name).encode() + hashlib.sha256(content).digest())
    return PackageState(folder=folder, digest=digest.hexdigest())
