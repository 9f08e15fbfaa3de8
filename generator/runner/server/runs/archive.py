"""An archive of the files of a run, made while it is sent."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from generator.shared.regular_files import open_regular_file, pieces

_PIECE = 1 << 18


def zip_stream(files: Iterable[tuple[str, Path]]) -> Iterator[bytes]:
    """Yield a ZIP archive of files, by their names in it. Nothing is compressed, so it takes no time or memory.

    Raises:
        OSError: a link or another kind of file has taken the place of a file, or it cannot be read.
    """
    written = _Written()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for name, path in files:
            entry = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
            source = open_regular_file(path, follow_links=False)
            with source, archive.open(entry, "w", force_zip64=True) as target:
                for piece in pieces(source, _PIECE):
                    target.write(piece)
                    yield written.take()
            yield written.take()
    yield written.take()


class _Written:
    """A stream that cannot seek, and from which what was written is taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Nothing to do: `take` returns all that was written."""

    def close(self) -> None:
        """Nothing to do."""

    def take(self) -> bytes:
        data = bytes(self._written)
        self._written.clear()
        return data
