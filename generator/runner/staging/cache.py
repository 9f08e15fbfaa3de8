"""A folder of contents by URL and validator, for many runs at once.

``entries/`` says for each URL which content it last had and how a server recognises it; ``content/`` holds contents by
their sha256; ``partial/`` what is on its way; ``locks/`` one file a URL, locked by the kernel, whose locks end with the
process that holds them. A validator is asked for at every use: what the server has changed is fetched anew. A content
whose digest is wrong is fetched again. No name and no note in it holds a credential or a signature.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from generator.runner.staging.checksums import Hashers
from generator.runner.staging.stores import Source, Validator

algorithm = "sha256"
_BLOCK = 1024**2
_FOLDERS = ("entries", "content", "partial", "locks")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What a URL last was."""

    url: str
    sha256: str
    size: int
    name: str
    validator: Validator


class Cache:
    """One cache folder; made when it is not there."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError when the folder cannot be written to."""
        self._folder = folder
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self, source: Source, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Only one process of all fetches a URL; ``waiting`` is called if another one does now.

        Where the file system has no locks each fetches for itself, which costs a transfer and harms nothing.
        """
        with self._path("locks", _id(source)).open("a+b") as file:
            try:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    waiting()
                    fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                pass
            yield

    def find(self, source: Source) -> Entry | None:
        """What is here of a URL, if its content is here too."""
        try:
            note = json.loads(self._path("entries", _id(source)).read_text(encoding="utf-8"))
            entry = Entry(**{**note, "validator": Validator(**note["validator"])})
            there = self.content(entry).stat().st_size == entry.size
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return entry if there else None

    def find_content(self, source: Source) -> Entry | None:
        """The content that a caller's own sha256 names, whatever its URL was."""
        if source.checksum is None or source.checksum.algorithm != algorithm:
            return None
        digest = source.checksum.digest
        with suppress(OSError):
            size = self._path("content", digest).stat().st_size
            return Entry(url=source.url, sha256=digest, size=size, name="", validator=Validator())
        return None

    def content(self, entry: Entry) -> Path:
        """Where a content lies."""
        return self._path("content", entry.sha256)

    def partial(self, source: Source) -> Path:
        """Where a URL's content is put together."""
        return self._path("partial", _id(source))

    def keep(self, entry: Entry, source: Source, part: Path) -> None:
        """Takes a whole content in."""
        part.replace(self.content(entry))
        part.with_name(part.name + ".json").unlink(missing_ok=True)
        self._note(entry, source)

    def _note(self, entry: Entry, source: Source) -> None:
        target = self._path("entries", _id(source))
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=target.parent, prefix=".", suffix=".new", delete=False
        ) as file:
            json.dump(asdict(entry), file)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(target)

    def forget(self, entry: Entry, source: Source) -> None:
        """Removes what is damaged."""
        self.content(entry).unlink(missing_ok=True)
        self._path("entries", _id(source)).unlink(missing_ok=True)

    def copy(self, entry: Entry, target: Path) -> bool:
        """Copies a content and proves it on the way; False, and no copy, when it is damaged."""
        hashers = Hashers((algorithm,))
        part = target.with_name(f".{target.name}.part")
        try:
            with self.content(entry).open("rb") as content, part.open("wb") as copy:
                while block := content.read(_BLOCK):
                    hashers.update(block)
                    copy.write(block)
            if hashers.digests()[algorithm] != entry.sha256:
                return False
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return True

    def is_whole(self, entry: Entry) -> bool:
        """Whether a content is what its name says."""
        hashers = Hashers((algorithm,))
        with self.content(entry).open("rb") as content:
            while block := content.read(_BLOCK):
                hashers.update(block)
        return hashers.digests()[algorithm] == entry.sha256

    def _path(self, kind: str, name: str) -> Path:
        folder = self._folder / kind / name[:2]
        folder.mkdir(exist_ok=True)
        return folder / name


def _id(source: Source) -> str:
    """Names a URL without saying it."""
    return hashlib.sha256(source.key.encode()).hexdigest()
