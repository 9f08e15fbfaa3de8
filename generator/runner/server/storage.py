"""Where executed notebooks may be stored besides their runs, and which S3 buckets have notebooks to run.

The operator chooses the folder and the buckets; a request chooses a path in them.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from generator.runner.server.problems import ProblemError
from generator.shared.failures import BadInputsError

_BUCKET = re.compile(r"(?:s3://)?([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*?))?/?")
_LONGEST_NAME = 240
"""Bytes of a file's name: what most file systems take, with room for a number."""
_LONGEST_PATH = 4000
"""Bytes of a path: what Linux takes (PATH_MAX), with room for the name of an unfinished file."""
_LONGEST_SHOWN = 200
_DATED = re.compile(r"_output_\d{8}_\d{6}(?:_\d+)?\.ipynb$")
_LONGEST_KEY = 1024
"""Bytes of a key in S3."""


@dataclass(frozen=True, slots=True)
class BucketFolder:
    """A bucket, or a folder in it that ends in a slash."""

    bucket: str
    prefix: str = ""

    def has(self, bucket: str, key: str) -> bool:
        """Whether an object is in the folder."""
        return bucket == self.bucket and key.startswith(self.prefix)


@dataclass(frozen=True, kw_only=True, slots=True)
class NotebookStorage:
    """The operator's folders."""

    root: Path
    """Relative paths of executed notebooks start here."""
    keep_all: bool = False
    """Whether executed notebooks are stored below ``root`` although neither request nor template has a path."""
    sources: tuple[BucketFolder, ...] = ()
    """Notebooks may be run from here."""
    targets: tuple[BucketFolder, ...] = ()
    """Executed notebooks may be stored here."""

    def source(self, address: str) -> str:
        """Return the ``s3://`` address of a notebook that may be run.

        Raises:
            ProblemError: 403, the address is outside the operator's buckets.
        """
        return _allowed(address, self.sources, "--source-bucket")

    def target(self, address: str) -> str:
        """Return the ``s3://`` address of an executed notebook that may be written.

        Raises:
            ProblemError: 403, the address is outside the operator's buckets.
        """
        return _allowed(address, self.targets, "--output-bucket")

    def is_target(self, address: str) -> bool:
        """Whether an executed notebook may be written to an ``s3://`` address."""
        bucket, _, key = address.removeprefix("s3://").partition("/")
        return any(folder.has(bucket, key) for folder in self.targets)

    def file(self, relative: str, field: str = "outputNotebookPath") -> Path:
        """Return the file of a relative path, whose folder may be missing; ``field`` is the request's.

        Raises:
            ProblemError: 400, a link leads out of the folder, or a part of the path is a file.
        """
        folder, shown = (self.root / relative).parent, f"{field}: {relative[:_LONGEST_SHOWN]!r}"
        too_long = ProblemError(400, f"{shown} is too long, or a link to itself")
        if len(os.fsencode(self.root / relative)) > _LONGEST_PATH:
            raise too_long
        try:
            there = next(parent for parent in (folder, *folder.parents) if parent.exists())
            inside, is_folder = folder.resolve().is_relative_to(self.root.resolve()), there.is_dir()
        except (OSError, RuntimeError):
            raise too_long from None
        if not inside:
            raise ProblemError(400, f"{shown} leads out of the folder of executed notebooks")
        if not is_folder:
            raise ProblemError(400, f"{shown}: {there.name!r} is a file, not a folder")
        return self.root / relative


def dated_name(notebook: str, time: datetime) -> str:
    """Return the name of the executed notebook of a home: ``NAME_output_YYYYmmdd_HHMMSS.ipynb``."""
    ending = f"_output_{time:%Y%m%d_%H%M%S}.ipynb"
    stem = posixpath.splitext(posixpath.basename(notebook))[0].encode()[: _LONGEST_NAME - len(ending)]
    return stem.decode(errors="ignore") + ending


def has_dated_name(path: str) -> bool:
    """Whether a path has a name as `dated_name` makes it."""
    return _DATED.search(path) is not None


def read_bucket_folders(texts: Iterable[str], option: str) -> tuple[BucketFolder, ...]:
    """Read ``BUCKET`` or ``BUCKET/FOLDER`` of an option.

    Raises:
        BadInputsError: a text is neither.
    """
    folders = []
    for text in texts:
        match = _BUCKET.fullmatch(text)
        if match is None:
            raise BadInputsError(f"{option} {text!r}: not the name of a bucket; write BUCKET or BUCKET/FOLDER")
        folders.append(BucketFolder(match[1], f"{match[2]}/" if match[2] else ""))
    return tuple(folders)


def _allowed(address: str, folders: Iterable[BucketFolder], option: str) -> str:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    clean = posixpath.normpath(key)  # servers may read "a/../b" as they read paths
    if clean.startswith(("/", "..")) or clean == "." or len(clean.encode()) > _LONGEST_KEY:
        raise ProblemError(400, f"{address[:_LONGEST_KEY]!r}: not the address of an object; write s3://BUCKET/KEY")
    if not any(folder.has(bucket, clean) for folder in folders):
        raise ProblemError(403, f"s3://{bucket}/{clean}: not in a bucket that this server may use ({option})")
    return f"s3://{bucket}/{clean}"
