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
    """What tells one content of a URL from another (RFC 9110, "Validator Fields")."""

    etag: str = ""
    modified: str = ""

    def __bool__(self) -> bool:
        return bool(self.etag or self.modified)

    def agrees(self, other: Validator) -> bool:
        """Whether nothing says that the contents differ; an answer may leave out what was asked with (RFC 9110)."""
        if self.etag and other.etag:
            return self.etag == other.etag
        return not (self.modified and other.modified) or self.modified == other.modified

    @property
    def is_strong(self) -> bool:
        """Whether equal means equal byte by byte."""
        return bool(self.etag) and not self.etag.startswith("W/")


unknown = Validator()
"""The server says nothing that could tell contents apart, or nothing is asked."""


class Stream(Protocol):
    """Bytes on their way."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; b'' at the end."""
        ...

    def close(self) -> None:
        """Lets go of the connection."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """An answer: its bytes from ``offset`` on, and what the store says of the whole file."""

    stream: Stream
    offset: int = 0
    size: int | None = None
    validator: Validator = unknown
    checksums: tuple[Checksum, ...] = ()
    name: str = ""
    """The name that the server gives the file."""


class Source(Protocol):
    """A file somewhere else."""

    @property
    def url(self) -> str:
        """Its address as people may see it."""
        ...

    @property
    def key(self) -> str:
        """Its address as a cache knows it, without anything secret or passing."""
        ...

    @property
    def name(self) -> str:
        """The file's name, as far as its address says it."""
        ...

    @property
    def checksum(self) -> Checksum | None:
        """What the caller knows of the content."""
        ...

    @property
    def size(self) -> int | None:
        """What the caller knows of the size in bytes."""
        ...

    def open(self, offset: int = 0, *, expected: Validator = unknown, known: Validator = unknown) -> Download:
        """Its bytes from ``offset`` on if it is still the ``expected`` content, else from 0.

        Raises:
            NotModifiedError: its content is ``known``.
            ChangedError: it is another content than ``expected``, and not sent from its beginning.
            TransientError: another try may succeed.
            StagingError: no other try will.
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
    """What sources have in common that are known by a URL, in which a user and a password may stand."""

    address: str = field(repr=False)
    checksum: Checksum | None = None
    size: int | None = None

    @property
    def url(self) -> str:
        """Without user, password and signature."""
        return urls.redact(self.address)

    @property
    def key(self) -> str:
        """The same however it is signed."""
        return urls.canonical(self.address)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return urls.file_name(self.address)


class NotModifiedError(Exception):
    """The content is what the caller has already."""


class ChangedError(Exception):
    """The content is not the one whose first part is here: it has to be fetched from its beginning."""


class TransientError(Exception):
    """Something that may be over soon; ``wait`` is how many seconds the server asks for."""

    def __init__(self, message: str, *, wait: float | None = None) -> None:
        self.wait = wait
        super().__init__(message)


class TransferCancelledError(StagingError):
    """Another file failed, so this one is given up."""
