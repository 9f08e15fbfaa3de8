"""Read pointers of Git LFS, without git."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from generator.shared.file_digest import file_sha256

_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_POINTER = 1024


@dataclass(frozen=True, slots=True)
class Pointer:
    """An LFS pointer: the SHA-256 and the bytes of the file that it is in the place of (git-lfs, spec.md).

    ``digest`` is empty if the pointer is damaged.
    """

    digest: str
    size: int

    def is_fetched(self, path: Path) -> bool:
        """Return whether the file is at ``path``, whole."""
        return path.is_file() and file_sha256(path) == self.digest

    def is_unchanged(self, path: Path) -> bool:
        """Return whether the file in a working tree is the one that is committed, or its pointer."""
        try:
            return not path.is_symlink() and path.is_file() and (self == read_pointer(path) or self.is_fetched(path))
        except OSError:  # closed to the user
            return False


def pointed_digest(path: Path) -> str:
    """Return the SHA-256 of the file that an LFS pointer is in the place of; '' for other files."""
    pointer = read_pointer(path)
    return pointer.digest if pointer else ""


def is_pointer(path: Path) -> bool:
    """Return whether a path is a pointer of Git LFS, not a link to one."""
    return not path.is_symlink() and path.is_file() and read_pointer(path) is not None


def read_pointer(path: Path) -> Pointer | None:
    """Read a pointer, None for another file; with an extension of git-lfs, the file has the digest from before it."""
    if path.stat().st_size >= _LONGEST_POINTER or not (text := path.read_bytes()).startswith(_POINTER):
        return None
    digest = re.search(rb"(?m)^(?:ext-0-\S+|oid) sha256:([0-9a-f]{64})\r?$", text)
    size = re.search(rb"(?m)^size ([0-9]+)\r?$", text)
    return Pointer(digest[1].decode() if digest else "", int(size[1]) if size else 0)
