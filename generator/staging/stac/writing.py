"""The documents of a STAC catalog, written below a folder with any path."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = PurePosixPath("/catalog")
"""Where the catalog is for pystac, which takes a path for an address and would cut it at ``#``, ``?`` or ``;``."""


def write_documents(folder: Path, catalog: Any) -> list[str]:
    """Write a catalog whose paths begin with `ROOT`, and its Items; return their paths below the folder, its own last.

    A document replaces a link of its name, and not the file that the link leads to.

    Raises:
        OSError: a document cannot be written.
    """
    import pystac

    written: list[str] = []
    for one in (*catalog.get_items(), catalog):
        written.append(os.path.relpath(one.get_self_href(), ROOT))
        _write(folder / written[-1], pystac.StacIO.default().json_dumps(one.to_dict(include_self_link=False)))
    return written


def _write(document: Path, text: str) -> None:
    document.parent.mkdir(parents=True, exist_ok=True)
    part = document.with_name(f".{document.name}.part")
    part.unlink(missing_ok=True)
    with part.open("x", encoding="utf-8") as file:
        file.write(text)
    part.replace(document)
