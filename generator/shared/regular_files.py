"""Regular files in places where a stranger may have put another kind of file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)
"""Nothing has the name, or a link or a socket has it."""


class NotRegularFileError(OSError):
    """A folder, a named pipe, a device or a socket has the file's name."""


def open_regular_file(path: str | Path, *, follow_links: bool = True) -> BufferedReader:
    """Open a regular file for reading, without waiting for the writer of a pipe that has its name.

    Raises:
        NotRegularFileError: another kind of file has this name.
        OSError: there is no file, or it cannot be opened; so does a link if links are not followed.
    """
    # O_NONBLOCK has no meaning for regular files
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegularFileError(f"{path}: not a regular file")
    return os.fdopen(descriptor, "rb")


def pieces(file: BufferedReader, length: int) -> Iterator[bytes]:
    """Yield the content of a file up to the size that it has now: a program may let it grow for as long as it is read.

    ``length`` is that of a piece in bytes.
    """
    left = os.fstat(file.fileno()).st_size
    while left > 0 and (piece := file.read(min(length, left))):
        left -= len(piece)
        yield piece


def is_missing(error: OSError) -> bool:
    """Return whether `open_regular_file` found no regular file, in contrast to an error of the system such as EIO."""
    return isinstance(error, NotRegularFileError) or error.errno in _NO_FILE
