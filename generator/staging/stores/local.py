"""Local files: mounted by an engine, or given on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generator.shared.failures import StagingError
from generator.staging.checksums import Checksum
from generator.staging.stores import Download, NotModifiedError, Validator, no_validator


@dataclass(frozen=True, kw_only=True)
class LocalSource:
    """A local file."""

    path: Path
    name: str = ""
    checksum: Checksum | None = None
    size: int | None = None

    @property
    def url(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def key(self) -> str:
        """The path as a URL."""
        return self.path.absolute().as_uri()

    def open(self, offset: int = 0, *, expected: Validator = no_validator, known: Validator = no_validator) -> Download:
        """See `Source.open`; the validator is time and size."""
        try:
            stream = self.path.open("rb")
            status = self.path.stat()
        except OSError as error:
            raise StagingError(f"{self.path}: {error.strerror}") from None
        validator = Validator(modified=f"{status.st_mtime_ns} {status.st_size}")
        if known and known == validator:
            stream.close()
            raise NotModifiedError
        start = offset if expected == validator else 0
        stream.seek(start)
        return Download(stream=stream, offset=start, size=status.st_size, validator=validator)
