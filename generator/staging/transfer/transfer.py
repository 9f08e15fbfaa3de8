"""The transfer of one file into a folder: resumed, retried, verified, and named only when complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from generator.shared.failures import DiskFullError, StagingError
from generator.shared.passing_errors import is_full_disk
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
    no_validator,
)

_BLOCK = 1024**2
_MAX_ATTEMPTS = 50
"""Attempts for one file, even if each makes progress."""
_SLOWEST = 500
"""Bytes per second below which a server counts as silent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferResult:
    """A completed transfer; ``name`` is the server's name for the file."""

    size: int
    digests: dict[str, str]
    validator: Validator
    name: str


@dataclass(slots=True)
class Watch:
    """Callbacks of a transfer: for bytes (negative if discarded) and retries, and an event that cancels it."""

    on_bytes: Callable[[int], None] = lambda _count: None
    on_retry: Callable[[str, str, float], None] = lambda _url, _cause, _wait: None
    stopped: threading.Event | None = None

    def check(self) -> None:
        """Cancel the transfer if its step has failed.

        Raises:
            TransferCancelledError: the step has failed.
        """
        if self.stopped and self.stopped.is_set():
            raise TransferCancelledError("cancelled")

    def sleep(self, seconds: float) -> None:
        """Wait; cancel the transfer if its step fails meanwhile."""
        if self.stopped:
            self.stopped.wait(seconds)
        else:
            time.sleep(seconds)
        self.check()


class Transfer:
    """Fetches one file into ``part``, which is kept until the file is complete or damaged.

    ``part.json`` next to it records the version, so that another process can resume the transfer.
    """

    def __init__(
        self, source: Source, part: Path, *, network: NetworkSettings, watch: Watch, algorithms: tuple[str, ...] = ()
    ) -> None:
        self._source, self._part, self._network, self._watch = source, part, network, watch
        self._algorithms = algorithms
        self._note = part.with_name(part.name + ".json")
        self._have = 0
        self._expected, self._name = no_validator, ""
        self._hashers = Hashers(())
        self._required: tuple[Checksum, ...] = ()
        self._mismatches = 0

    def fetch(self, *, known: Validator = no_validator) -> TransferResult:
        """Fetch the whole file into ``part``, with retries.

        Raises:
            NotModifiedError: the file is still the ``known`` version.
            StagingError: the file cannot be fetched.
            DiskFullError: the disk is full.
        """
        self._load_note()
        attempts = idle = 0
        while True:
            self._watch.check()
            before = self._have
            try:
                return self._attempt(known)
            except TransientError as error:
                attempts += 1
                idle = 0 if self._have > before else idle + 1
                if idle >= self._network.attempts or attempts >= _MAX_ATTEMPTS:
                    raise StagingError(f"{self._source.url}: {error} (tried {attempts} times)") from None
                wait = self._network.retry_delay(idle, requested=error.wait)
                self._watch.on_retry(self._source.url, str(error), wait)
                self._watch.sleep(wait)
            except OSError as error:
                if is_full_disk(error):
                    self.discard()
                    raise DiskFullError(f"{self._source.url}: no space left") from None
                raise

    def _attempt(self, known: Validator) -> TransferResult:
        if self._have and not self._expected:  # a partial file without a validator may be of another version
            self._reset()
        condition = known if not self._have else no_validator
        try:
            opened = self._source.open(self._have, expected=self._expected, known=condition)
        except ChangedError:
            self._reset()
            opened = self._open_from_start()
        try:
            self._begin(opened)
            self._copy(opened)
        except ChangedError:
            self._start_over("it changed while it was fetched")
        finally:
            opened.stream.close()
        return self._verify(opened)

    def _open_from_start(self) -> Download:
        try:
            return self._source.open()
        except ChangedError:
            raise TransientError("the server does not send it from the start") from None

    def _load_note(self) -> None:
        """Load the partial file of an earlier process, if its version is known."""
        with suppress(OSError, ValueError, TypeError, LookupError):
            note = json.loads(self._note.read_text(encoding="utf-8"))
            if note["key"] == self._key:
                self._expected = Validator(**note["validator"])
                self._name = str(note["name"])
                # in a shared cache, another user's transfer may have been interrupted
                is_ours = not self._part.is_symlink() and os.access(self._part, os.R_OK | os.W_OK)
                self._have = self._part.stat().st_size if self._expected and is_ours else 0
        if self._have:
            self._watch.on_bytes(self._have)

    @property
    def _key(self) -> str:
        """An ID of the source's URL that does not reveal it."""
        return hashlib.sha256(self._source.key.encode()).hexdigest()

    def _reset(self) -> None:
        """Delete the partial file, then its note, so that an interruption never mixes versions."""
        self._watch.on_bytes(-self._have)
        self._have, self._expected = 0, no_validator
        for path in (self._part, self._note):
            path.unlink(missing_ok=True)

    def _begin(self, opened: Download) -> None:
        if opened.offset != self._have:  # the content changed, or the store cannot resume
            self._reset()
        if self._have == 0:
            self._expected, self._name = opened.validator, opened.name
            self._write_note(opened)
        own = (self._source.checksum,) if self._source.checksum else ()
        earlier = self._required if self._have else ()  # the answer with a part may omit that of the whole file
        self._required = tuple(dict.fromkeys((*own, *earlier, *opened.checksums)))
        needed = {one.algorithm for one in self._required} | set(self._algorithms)
        if self._have == 0 or set(self._hashers.digests()) != needed:
            self._hashers = Hashers(needed)
            self._hash_again()
        self._check_room(opened)

    def _write_note(self, opened: Download) -> None:
        """Write a note of the version in transfer; small files are fetched again instead."""
        for path in (self._part, self._note):
            path.unlink(missing_ok=True)
        if opened.validator and (opened.size is None or opened.size > _BLOCK):
            note = {"key": self._key, "name": opened.name, "validator": asdict(opened.validator)}
            with self._note.open("x", encoding="utf-8") as file:
                json.dump(note, file)

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
        with open(self._part, "r+b" if self._have else "wb", buffering=0, opener=without_links) as file:
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
        for size, who in ((whole, "the server announced"), (self._source.size, "expected")):
            if size is not None and self._have != size:
                self._start_over(f"{self._have} bytes received, {who} {size}")
        digests = self._hashers.digests()
        for one in self._required:
            if digests[one.algorithm] != one.digest:
                self._start_over(f"its {one.algorithm} is {digests[one.algorithm]}, not {one.digest}")
        if self._have == 0:
            self._part.touch()
        return TransferResult(
            size=self._have, digests=digests, validator=opened.validator, name=opened.name or self._name
        )

    def _start_over(self, why: str) -> NoReturn:
        """Discard damaged content; fetch it again, then fail."""
        self._mismatches += 1
        self._reset()
        if self._mismatches > 1:
            raise StagingError(f"{self._source.url}: {why}")
        raise TransientError(why)

    def discard(self) -> None:
        """Delete the partial file."""
        self._reset()


class _Pace:
    """Detects a server that sends almost nothing for as long as a silent one is allowed."""

    def __init__(self, seconds: float) -> None:
        self._seconds = max(seconds, 1.0)
        self._since, self._bytes = time.monotonic(), 0

    def check(self, count: int) -> None:
        """Count bytes.

        Raises:
            TransientError: the transfer is too slow.
        """
        self._bytes += count
        passed = time.monotonic() - self._since
        if passed >= self._seconds:
            if self._bytes < _SLOWEST * passed:
                raise TransientError(f"it sends less than {_SLOWEST} bytes a second")
            self._since, self._bytes = time.monotonic(), 0


def without_links(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file unless its name is a link, which others may put into a shared folder (the ``opener`` of `open`)."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _write_all(file: BinaryIO, block: bytes) -> None:
    """Write all bytes of a block; an unbuffered file may write fewer at once."""
    view = memoryview(block)
    while view:
        view = view[file.write(view) :]


def compute_checksum(path: Path, algorithm: str = "sha256") -> Checksum:
    """Compute the checksum of a local file, read in blocks."""
    hashers = checksums.Hashers((algorithm,))
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            hashers.update(block)
    return Checksum(algorithm, hashers.digests()[algorithm])
