"""One file from a source to a folder: resumed, tried again, verified, and never half under its name."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from generator.shared.failures import DiskFullError, StagingError
from generator.staging import checksums
from generator.staging.checksums import Checksum, Hashers
from generator.staging.network.settings import NetworkSettings
from generator.staging.stores import (
    ChangedError,
    Download,
    Source,
    TransferCancelledError,
    TransientError,
    Validator,
    unknown,
)

_BLOCK = 1024**2
_TRIES = 50
"""Tries of one file, even if each brings some bytes."""
_SLOWEST = 500
"""Bytes a second below which an answer is as good as silent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferResult:
    """A file that is there whole; ``name`` is what the server calls it."""

    size: int
    digests: dict[str, str]
    validator: Validator
    name: str


@dataclass(slots=True)
class Watch:
    """Whoever follows transfers: told of bytes (negative when they turn out to be useless), asked whether to go on."""

    on_bytes: Callable[[int], None] = lambda _count: None
    on_retry: Callable[[str, str, float], None] = lambda _url, _cause, _wait: None
    stopped: threading.Event | None = None

    def check(self) -> None:
        """Ends a transfer whose step has failed.

        Raises:
            TransferCancelledError: it has.
        """
        if self.stopped and self.stopped.is_set():
            raise TransferCancelledError("given up")

    def sleep(self, seconds: float) -> None:
        """Waits, unless the step fails meanwhile."""
        if self.stopped:
            self.stopped.wait(seconds)
        else:
            time.sleep(seconds)
        self.check()


class Transfer:
    """Fetches one file into ``part``, which keeps what has come until the file is whole or proves to be wrong.

    Beside it ``part.json`` holds what content it is of, so that another process can go on with it.
    """

    def __init__(
        self, source: Source, part: Path, *, network: NetworkSettings, watch: Watch, algorithms: tuple[str, ...] = ()
    ) -> None:
        self._source, self._part, self._network, self._watch = source, part, network, watch
        self._algorithms = algorithms
        self._note = part.with_name(part.name + ".json")
        self._have = 0
        self._expected, self._name = unknown, ""
        self._hashers = Hashers(())
        self._required: tuple[Checksum, ...] = ()
        self._mismatches = 0

    def fetch(self, *, known: Validator = unknown) -> TransferResult:
        """The whole file in ``part``.

        Raises:
            NotModifiedError: the content is ``known``.
            StagingError: it cannot be had.
            DiskFullError: there is no room for it.
        """
        self._load_note()
        tries = idle = 0
        while True:
            self._watch.check()
            before = self._have
            try:
                return self._attempt(known)
            except TransientError as error:
                tries += 1
                idle = 0 if self._have > before else idle + 1
                if idle >= self._network.attempts or tries >= _TRIES:
                    raise StagingError(f"{self._source.url}: {error} (tried {tries} times)") from None
                wait = self._network.retry_delay(idle, asked=error.wait)
                self._watch.on_retry(self._source.url, str(error), wait)
                self._watch.sleep(wait)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    self.discard()
                    raise DiskFullError(f"{self._source.url}: no space is left for it") from None
                raise

    def _attempt(self, known: Validator) -> TransferResult:
        if self._have and not self._expected:  # nothing could tell what is here from another content
            self._reset()
        asked = known if not self._have else unknown
        try:
            opened = self._source.open(self._have, expected=self._expected, known=asked)
        except ChangedError:
            self._reset()
            opened = self._open_from_start()
        try:
            self._begin(opened)
            self._copy(opened)
        finally:
            opened.stream.close()
        return self._verify(opened)

    def _open_from_start(self) -> Download:
        try:
            return self._source.open()
        except ChangedError:
            raise TransientError("the server does not send it from its beginning") from None

    def _load_note(self) -> None:
        """What an earlier process left, if its content can be told from another."""
        with suppress(OSError, ValueError, TypeError, LookupError):
            note = json.loads(self._note.read_text(encoding="utf-8"))
            if note["key"] == self._key:
                self._expected = Validator(**note["validator"])
                self._name = str(note["name"])
                self._have = self._part.stat().st_size if self._expected else 0
        if self._have:
            self._watch.on_bytes(self._have)

    @property
    def _key(self) -> str:
        """Which URL a note is of, without saying it."""
        return hashlib.sha256(self._source.key.encode()).hexdigest()

    def _reset(self) -> None:
        """Forgets what has come: first the bytes, then what they were of, so that no kill in between mixes contents."""
        self._watch.on_bytes(-self._have)
        self._have, self._expected = 0, unknown
        for path in (self._part, self._note):
            path.unlink(missing_ok=True)

    def _begin(self, opened: Download) -> None:
        if opened.offset != self._have:  # the content changed, or the store cannot resume
            self._reset()
        if self._have == 0:
            self._expected, self._name = opened.validator, opened.name
            self._write_note(opened)
        own = (self._source.checksum,) if self._source.checksum else ()
        self._required = (*own, *opened.checksums)
        needed = {one.algorithm for one in self._required} | set(self._algorithms)
        if self._have == 0 or set(self._hashers.digests()) != needed:
            self._hashers = Hashers(needed)
            self._hash_again()
        self._check_room(opened)

    def _write_note(self, opened: Download) -> None:
        """Notes what content is on its way; a small file is fetched anew sooner than its note is written."""
        for path in (self._part, self._note):
            path.unlink(missing_ok=True)
        if opened.validator and (opened.size is None or opened.size > _BLOCK):
            note = {"key": self._key, "name": opened.name, "validator": asdict(opened.validator)}
            self._note.write_text(json.dumps(note), encoding="utf-8")

    def _hash_again(self) -> None:
        if self._have:
            with self._part.open("rb") as file:
                while block := file.read(_BLOCK):
                    self._hashers.update(block)

    def _check_room(self, opened: Download) -> None:
        if opened.size is None or opened.size <= _BLOCK:
            return
        room, needed = shutil.disk_usage(self._part.parent).free, opened.size - self._have
        if needed > room:
            self.discard()
            raise DiskFullError(
                f"{self._source.url}: {needed / 1e6:.0f} MB are needed and {room / 1e6:.0f} MB are free"
            )

    def _copy(self, opened: Download) -> None:
        with self._part.open("r+b" if self._have else "wb", buffering=0) as file:
            file.seek(self._have)
            file.truncate()
            pace = _Pace(self._network.timeout)
            while block := opened.stream.read(_BLOCK):
                self._watch.check()
                self._hashers.update(block)
                _write_all(file, block)
                self._have += len(block)
                self._watch.on_bytes(len(block))
                pace.check(len(block))

    def _verify(self, opened: Download) -> TransferResult:
        whole = opened.size
        if whole is not None and self._have < whole:
            raise TransientError(f"the connection was cut after {self._have} of {whole} bytes")
        for size, who in ((whole, "the server says"), (self._source.size, "it should have")):
            if size is not None and self._have != size:
                self._start_over(f"{self._have} bytes came, {who} {size}")
        digests = self._hashers.digests()
        for one in self._required:
            if digests[one.algorithm] != one.digest:
                self._start_over(f"its {one.algorithm} is {digests[one.algorithm]}, and should be {one.digest}")
        if self._have == 0:
            self._part.touch()
        return TransferResult(
            size=self._have, digests=digests, validator=opened.validator, name=opened.name or self._name
        )

    def _start_over(self, why: str) -> None:
        """Content that is wrong may have been damaged on its way, so it is fetched once more, and then refused."""
        self._mismatches += 1
        self._reset()
        if self._mismatches > 1:
            raise StagingError(f"{self._source.url}: {why}")
        raise TransientError(why)

    def discard(self) -> None:
        """Removes what has come."""
        self._reset()


class _Pace:
    """Ends an answer that trickles: one that brings next to nothing for as long as it might have been silent."""

    def __init__(self, seconds: float) -> None:
        self._seconds = max(seconds, 1.0)
        self._since, self._bytes = time.monotonic(), 0

    def check(self, count: int) -> None:
        """Counts bytes.

        Raises:
            TransientError: they are too few.
        """
        self._bytes += count
        passed = time.monotonic() - self._since
        if passed >= self._seconds:
            if self._bytes < _SLOWEST * passed:
                raise TransientError(f"it sends less than {_SLOWEST} bytes a second")
            self._since, self._bytes = time.monotonic(), 0


def _write_all(file: BinaryIO, block: bytes) -> None:
    """An unbuffered file may take less than it is given."""
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def compute_checksum(path: Path, algorithm: str = "sha256") -> Checksum:
    """The checksum of a local file, read in blocks."""
    hashers = checksums.Hashers((algorithm,))
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            hashers.update(block)
    return Checksum(algorithm, hashers.digests()[algorithm])
