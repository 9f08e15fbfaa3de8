"""The files that a run wrote, as JSON."""

from __future__ import annotations

import mimetypes
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from generator.runner.server.context import Context
from generator.runner.server.runs.folder import RunFolder
from generator.shared import contract, media_types
from generator.shared.folder_levels import walk

_MOST_LISTED = 10_000


def outputs_of(context: Context, run_id: str) -> list[dict[str, Any]]:
    """Return the files of a run as JSON: those of ``result.json``, or of the folder if the run has not written it."""
    folder = context.folder(run_id)
    listed = folder.read_result().get("outputs")
    files = listed if isinstance(listed, list) else _files_of(folder.output)
    return [
        {**one, "media_type": file_media_type(one["path"]), "href": output_address(context, run_id, one["path"])}
        for one in files
    ]


def output_address(context: Context, run_id: str, path: str) -> str:
    """Return the address of a file of a run."""
    return context.address(f"/runs/{run_id}/outputs/{quote(os.fsencode(path))}")


def file_media_type(name: str) -> str:
    """Return the media type of a file by its name; that of compressed files is of the compression."""
    known = media_types.media_type(name)
    if known != media_types.unknown:
        return known
    kind, encoding = mimetypes.guess_type(name)
    if encoding:
        return "application/gzip" if encoding == "gzip" else media_types.unknown
    return kind or media_types.unknown


def digests_of(folder: RunFolder) -> dict[str, str]:
    """Return the SHA-256 of each file of an ended run, in hexadecimal digits."""
    try:
        status = (folder.output / contract.result_file).lstat()
    except OSError:
        return {}
    return _read_digests(folder, (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=4)
def _read_digests(folder: RunFolder, version: tuple[int, int, int]) -> dict[str, str]:  # noqa: ARG001 - for the cache
    """Read the digests of a version of the record: a client that fetches very many files asks as often."""
    return {one["path"]: one["sha256"] for one in folder.read_result().get("outputs") or () if "sha256" in one}


def _files_of(output: Path) -> Iterator[dict[str, Any]]:
    """Return the files of a run that has not listed them."""
    return islice(_walk(output), _MOST_LISTED)


def _walk(output: Path) -> Iterator[dict[str, Any]]:
    for top, folders, names in walk(output):
        folders.sort()
        for file in (top / name for name in sorted(names)):
            with suppress(FileNotFoundError):  # a notebook that runs removes its files
                status = file.lstat()
                if stat.S_ISREG(status.st_mode):
                    yield {"path": file.relative_to(output).as_posix(), "size": status.st_size}
