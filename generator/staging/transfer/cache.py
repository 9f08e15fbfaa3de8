"""A cache folder of fetched files, which concurrent runs can share.

``entries/`` has the last content and validator of each URL; ``content/`` has contents by their sha256; ``partial/`` has
unfinished transfers; ``locks/`` has a lock file for each URL, which the kernel unlocks when the process ends. Each use
asks the server whether the file changed, and fetches it again if so, or if the cached content is damaged. The cache
contains no credentials and no signatures.

Others who share the folder can put links in it, which are not followed where a file is written or its mode is set.

A folder is made when it gets a file, and ``partial/`` has none: Toil names a folder by its content, and refuses a cache
in which two are empty (`findings/toil-empty-folders.sh`).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from generator.staging.checksums import Checksum, Hashers
from generator.staging.stores import Source, Validator
from generator.staging.transfer.transfer import without_links

algorithm = "sha256"
_BLOCK = 1024**2


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """The last known content of a URL."""

    url: str
    sha256: str
    size: int
    name: str
    validator: Validator


class Cache:
    """A cache folder."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if missing.

        Raises:
            OSError: the folder is not writable.
        """
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._mode = folder.stat().st_mode & 0o777
        """The folder's permissions, which all files in it get."""

    def _make(self, folder: Path) -> None:
        with suppress(FileExistsError):
            folder.mkdir()
            _set_mode(folder, self._mode)

    @contextmanager
    def lock(self, source: Source, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """Lock a URL for this process; yield the path of its partial file.

        ``on_wait`` is called if another process has the lock. On file systems without locks, each process gets a
        partial file of its own.
        """
        shared = self._writable(self._folder / "partial" / _cache_id(source))
        with ExitStack() as held:
            try:
                lock = self._writable(self._path("locks", _cache_id(source)))
                file = held.enter_context(open(lock, "a+b", opener=without_links))
                with suppress(OSError):
                    os.fchmod(file.fileno(), self._mode & 0o666)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    on_wait()
                    fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                own = shared.with_name(f"{shared.name}.{os.getpid()}-{os.urandom(4).hex()}")
                held.callback(own.unlink, missing_ok=True)
                held.callback(own.with_name(own.name + ".json").unlink, missing_ok=True)
                yield own
                return
            yield shared

    def find(self, source: Source) -> Entry | None:
        """Return the entry of a URL if its content is cached."""
        try:
            note = json.loads(self._path("entries", _cache_id(source)).read_text(encoding="utf-8"))
            entry = Entry(**{**note, "validator": Validator(**note["validator"])})
            content = self.content(entry)
            there = _is_digest(entry.sha256) and content.is_file() and content.stat().st_size == entry.size
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return entry if there else None

    def find_content(self, source: Source) -> Entry | None:
        """Return an entry for the source's sha256 if that content is cached, from any URL."""
        if source.checksum is None or source.checksum.algorithm != algorithm:
            return None
        digest = source.checksum.digest
        known = self.find(source)
        if known and known.sha256 == digest:
            return known
        with suppress(OSError):
            size = self._path("content", digest).stat().st_size
            return Entry(url=source.url, sha256=digest, size=size, name="", validator=Validator())
        return None

    def content(self, entry: Entry) -> Path:
        """Return the path of an entry's content."""
        return self._path("content", entry.sha256)

    def keep(self, entry: Entry, source: Source, part: Path) -> None:
        """Move a complete file into the cache."""
        _set_mode(part, self._mode & 0o666)
        part.replace(self._writable(self.content(entry)))
        part.with_name(part.name + ".json").unlink(missing_ok=True)
        self._write_entry(entry, source)

    def _write_entry(self, entry: Entry, source: Source) -> None:
        target = self._writable(self._path("entries", _cache_id(source)))
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=target.parent, prefix=".", suffix=".new", delete=False
        ) as file:
            json.dump(asdict(entry), file)
            os.fchmod(file.fileno(), self._mode & 0o666)
        Path(file.name).replace(target)

    def forget(self, entry: Entry, source: Source) -> None:
        """Remove an entry and its content."""
        self.content(entry).unlink(missing_ok=True)
        self._path("entries", _cache_id(source)).unlink(missing_ok=True)

    def copy(self, entry: Entry, target: Path, required: Checksum | None) -> bool:
        """Copy and verify a content; return False, without a copy, if it is damaged, or cannot be read any more."""
        hashers = Hashers((algorithm, *([required.algorithm] if required else ())))
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)  # of a copy that was killed, or a link that came with a repository
        try:
            opened = self._opened(entry)
            if opened is None:
                return False
            with opened as content, part.open("xb") as copy:
                while block := content.read(_BLOCK):
                    hashers.update(block)
                    copy.write(block)
            if not _is_valid(hashers.digests(), entry, required):
                return False
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return True

    def is_whole(self, entry: Entry, required: Checksum | None) -> bool:
        """Return whether a content can be read, and matches its entry and the required checksum."""
        hashers = Hashers((algorithm, *([required.algorithm] if required else ())))
        opened = self._opened(entry)
        if opened is None:
            return False
        with opened as content:
            while block := content.read(_BLOCK):
                hashers.update(block)
        return _is_valid(hashers.digests(), entry, required)

    def _opened(self, entry: Entry) -> BinaryIO | None:
        """Open a content; None if another run removed it meanwhile, or another user wrote it for nobody else."""
        try:
            return self.content(entry).open("rb")
        except (FileNotFoundError, PermissionError):
            return None

    def _path(self, kind: str, name: str) -> Path:
        return self._folder / kind / name[:2] / name

    def _writable(self, path: Path) -> Path:
        """Return a path below the cache, in a folder that exists."""
        for folder in reversed(path.relative_to(self._folder).parents[:-1]):
            self._make(self._folder / folder)
        return path


def _set_mode(path: Path, mode: int) -> None:
    """Set the permissions of a file or a folder, unless it is another user's; of no other one to which a link leads."""
    descriptor = without_links(path, os.O_RDONLY)
    try:
        with suppress(PermissionError):
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _is_digest(text: object) -> bool:
    """Return whether a text of a note is a digest, and no path to another file."""
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{64}", text) is not None


def _cache_id(source: Source) -> str:
    """Return an ID for a URL that does not reveal it."""
    return hashlib.sha256(source.key.encode()).hexdigest()


def _is_valid(digests: dict[str, str], entry: Entry, required: Checksum | None) -> bool:
    return digests[algorithm] == entry.sha256 and (required is None or digests[required.algorithm] == required.digest)
