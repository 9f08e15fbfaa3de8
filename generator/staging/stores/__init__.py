"""Stores that files are fetched from: one module for each kind of store.

To add a store, write a module with a function `open_store` that returns a `Store`, name the module in
`generator.staging.stores.registry` for its URL schemes, and test it in ``tests/staging`` against a real server.
A store's sources can be opened at any byte; resuming, verifying, caching and progress are the same for all stores
(`generator.staging.transfer.transfer`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from generator.shared.failures import StagingError
from generator.staging import urls
from generator.staging.checksums import Checksum


@dataclass(frozen=True, kw_only=True, slots=True)
class Validator:
    """ETag and modification time, which distinguish versions of a file (RFC 9110, "Validator Fields")."""

    etag: str = ""
    modified: str = ""

    def __bool__(self) -> bool:
        return bool(self.etag or self.modified)

    def agrees(self, other: Validator) -> bool:
        """Return whether both may be of the same version; an answer may omit fields of the request (RFC 9110)."""
        if self.etag and other.etag:
            return self.etag == other.etag
        return not (self.modified and other.modified) or self.modified == other.modified

    @property
    def is_strong(self) -> bool:
        """Whether equal validators mean identical bytes."""
        return bool(self.etag) and not self.etag.startswith("W/")


no_validator = Validator()
"""No validator: the server sends none, or none is expected."""


def parse_content_range(text: str) -> tuple[int, int | None] | None:
    """Parse the first byte and the whole size (None: unknown) of ``bytes 10-99/100``; None if it has another form."""
    span, _, whole = text.removeprefix("bytes ").strip().partition("/")
    first = parse_number(span.partition("-")[0])
    return None if first is None else (first, parse_number(whole))


def parse_number(text: str) -> int | None:
    """Parse a number of bytes in a server's answer; None for another text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


most_listed = 1_000_000
"""Files and folders that one folder may have: a server can list without end."""


def check_number_listed(number: int, url: str) -> None:
    """Refuse a folder of too many files.

    Raises:
        StagingError: there are more than `most_listed`.
    """
    if number > most_listed:
        raise StagingError(f"{urls.redact(url)}: more than {most_listed:,} files and folders; give folders in it")


class Stream(Protocol):
    """The bytes of a download."""

    def read(self, size: int, /) -> bytes:
        """Read up to ``size`` bytes; b'' at the end.

        Raises:
            ChangedError: the file changed while it was read, so that its blocks may be of several versions.
            TransientError: another attempt may succeed.
            StagingError: the file cannot be read.
        """
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """An open download: the bytes from ``offset`` on, and the store's information on the whole file."""

    stream: Stream
    offset: int = 0
    size: int | None = None
    validator: Validator = no_validator
    checksums: tuple[Checksum, ...] = ()
    name: str = ""
    """The file name in the server's answer, if any."""


class Source(Protocol):
    """A file that can be fetched."""

    @property
    def url(self) -> str:
        """The address without credentials, for messages."""
        ...

    @property
    def key(self) -> str:
        """The address that identifies the file in a cache, without credentials and signatures."""
        ...

    @property
    def name(self) -> str:
        """The file name in the address, if any."""
        ...

    @property
    def checksum(self) -> Checksum | None:
        """The expected checksum, if known."""
        ...

    @property
    def size(self) -> int | None:
        """The expected size in bytes, if known."""
        ...

    def open(self, offset: int = 0, *, expected: Validator = no_validator, known: Validator = no_validator) -> Download:
        """Open the file at ``offset`` if it is still the ``expected`` version, else at 0.

        Raises:
            NotModifiedError: the file is still the ``known`` version.
            ChangedError: the file is not the ``expected`` version, and was not sent from the start.
            TransientError: another attempt may succeed.
            StagingError: the file cannot be read.
        """
        ...


class Store(Protocol):
    """The files that one record's credentials give access to."""

    has_folders: bool
    """Whether a URL that ends with a slash is a folder that can be listed."""

    def source(self, url: str, *, checksum: Checksum | None = None, size: int | None = None) -> Source:
        """Return the file at a URL, with its known checksum and size."""
        ...

    def list_folder(self, url: str) -> Iterable[Source]:
        """List the files below a URL that ends with a slash, sorted by path.

        Raises:
            StagingError, TransientError: the folder cannot be listed.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class UrlSource:
    """A base for sources with a URL, which may contain user and password."""

    address: str = field(repr=False)
    checksum: Checksum | None = None
    size: int | None = None
    shown: str = ""
    """The URL of a file in a listing: what looks like a secret there is a part of the file's name."""

    @property
    def url(self) -> str:
        """The URL without user, password and signature."""
        return self.shown or urls.redact(self.address)

    @property
    def key(self) -> str:
        """The URL in a form that is independent of its signature."""
        return urls.canonical(self.address)

    @property
    def name(self) -> str:
        """The last component of the path."""
        return urls.file_name(self.address)


class NotModifiedError(Exception):
    """The file is still the version that the caller has."""


class ChangedError(Exception):
    """The file changed during the transfer and must be fetched from the start."""


class TransientError(Exception):
    """A temporary failure; ``wait`` is the number of seconds that the server requests."""

    def __init__(self, message: str, *, wait: float | None = None) -> None:
        self.wait = wait
        super().__init__(message)


class TransferCancelledError(StagingError):
    """The transfer was canceled because another one failed."""
