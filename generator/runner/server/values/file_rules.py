"""Which files of the server callers may name: by path in the served folder, and by address."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from generator.notebook.literals import MisfitError, shorten

_what_to_do = "upload the file, or leave the parameter out for the notebook's own"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRules:
    """Which files callers may name; ``readable`` are patterns of paths in the served folder ``root``."""

    root: Path
    readable: tuple[str, ...] = ()
    left_out: tuple[Path, ...] = ()
    """Folders below ``root`` with files that nobody may name, without links."""
    fetch_urls: bool = False
    homes: tuple[str, ...] = ()
    """Paths of ``root`` that callers know, if it is their home: then files of all of it may be named by path."""

    def find(self, text: str, kind: str, *, base: str, own: Collection[str] = ()) -> Any:
        """Return the path or the CWL object of a file that a caller names.

        ``base`` is the notebook's folder, and ``own`` are the paths that the notebook itself names.

        Raises:
            MisfitError: the file may not be named, or it does not exist.
        """
        try:
            scheme = urlsplit(text).scheme if ":" in text else ""
        except ValueError:
            raise MisfitError(f"is {shorten(text)}, which is not a valid address") from None
        if scheme in ("http", "https"):
            return self._address(text, kind)
        if scheme or "\\" in text:
            raise MisfitError(f"is {shorten(text)}, which this server does not read; {_what_to_do}")
        if text in own:
            return text
        inside = self._inside_home(text, base)
        return self._path(text, base) if inside is None else self._path_in_home(text, inside, kind)

    def _address(self, text: str, kind: str) -> Any:
        if kind == "Directory":
            raise MisfitError("is an address, from which a folder cannot be fetched; upload its files or a ZIP archive")
        if not self.fetch_urls:
            raise MisfitError(f"is an address, and this server fetches none; {_what_to_do}")
        return {"class": kind, "location": text}

    def _inside_home(self, text: str, base: str) -> str | None:
        """Return the path in the caller's home of an absolute path, of one with ``~/``, or of one with ``..``."""
        path = posixpath.normpath(posixpath.join(base, text))
        for home in self.homes:
            if text.startswith("~/"):
                return posixpath.normpath(text[2:])
            if path.startswith(f"{home}/"):
                return posixpath.relpath(path, home)
        is_above = bool(self.homes) and ".." in text.split("/") and not path.startswith(("..", "/"))
        return path if is_above else None

    def _path_in_home(self, text: str, inside: str, kind: str) -> dict[str, Any]:
        if any(part.startswith(".") for part in inside.split("/")):
            raise MisfitError(f"is {shorten(text)}, which is hidden or outside of the home; {_what_to_do}")
        self._check_readable(text, inside)
        return {"class": kind, "path": str(self.root / inside)}

    def _path(self, text: str, base: str) -> str:
        """Return the path of a file in the served folder that callers may name."""
        parts = text.removesuffix("/").split("/")
        inside = posixpath.join(base, *parts) if not text.startswith("/") else ""
        if not inside or any(not part or part.startswith(".") for part in parts) or "\0" in text:
            raise MisfitError(f"is {shorten(text)}: a caller cannot name files of the server; {_what_to_do}")
        self._check_readable(text, inside)
        return text

    def _check_readable(self, text: str, inside: str) -> None:
        """Check that callers may read a path in the served folder.

        Raises:
            MisfitError: no pattern opens it, or it does not exist.
        """
        if not any(fnmatchcase(inside, pattern) for pattern in self.readable):
            raise MisfitError(f"is {shorten(text)}, which callers may not read here; {_what_to_do}")
        if not self._has(inside):
            raise MisfitError(f"is {shorten(text)}, which the served folder does not have; {_what_to_do}")

    def _has(self, relative: str) -> bool:
        """Check that a path exists in the served folder, following links, and that no folder of it is hidden."""
        try:
            real = (self.root / relative).resolve()
            parts = real.relative_to(self.root.resolve()).parts
        except (OSError, ValueError, RuntimeError):
            return False
        if any(real.is_relative_to(folder) for folder in self.left_out):
            return False
        return real.exists() and not any(part.startswith(".") for part in parts)
