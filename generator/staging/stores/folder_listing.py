"""The files below a folder of an fsspec file system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.staging.stores import check_number_listed


def files_below(system: Any, top: str, url: str) -> Iterator[tuple[str, str]]:
    """List the files of a file system of fsspec: their paths there, and below the folder ``top``.

    fsspec's own ``find`` leaves out folders that it cannot list. The paths there need not begin with ``top``: file
    systems list ``/a`` for ``//a/``. ``url`` is for messages.

    Raises:
        StagingError: there are too many files and folders.
    """
    waiting, number = [(top, "")], 0
    while waiting:
        folder, below = waiting.pop()
        try:
            entries = system.ls(folder, detail=True)
        except FileNotFoundError:
            if folder == top:
                return
            raise
        number += max(1, len(entries))
        check_number_listed(number, url)
        for entry in entries:
            path = entry["name"].rstrip("/")
            relative = below + path.rpartition("/")[2]
            if entry["type"] != "directory":
                yield entry["name"], relative
            elif path != folder:
                waiting.append((path, f"{relative}/"))
