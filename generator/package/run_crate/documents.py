"""The document that ran, its package's metadata and the files of the package that a crate repeats."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from generator.crates.workflow import Workflow
from generator.metadata.metadata import Metadata
from generator.metadata.words import Word, read_words
from generator.package.plain_document import read_document
from generator.package.record import read_record
from generator.shared.regular_files import open_regular_file
from generator.shared.safe_text import printable
from generator.shared.yaml_limits import largest_text

_RECORD = "package.json"
_MOST = 4 * largest_text
"""Bytes of all documents together: those of the longest document that packmill reads, in UTF-8."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Documents:
    """The documents of a run: the one that ran, and the folder with copies of those that its crate repeats."""

    workflow: Workflow
    folder: Path


@contextmanager
def kept_documents(document: Path) -> Iterator[Documents]:
    """Copy the documents that a run begins with, because a build may replace the package before its end.

    Raises:
        DocumentsTooLargeError: the documents are too large.
        DocumentError: the document is not YAML.
        OSError: they cannot be copied.
    """
    with TemporaryDirectory(prefix="packmill-documents-") as folder:
        copy_documents(document, Path(folder))
        yield Documents(workflow=read_workflow(document), folder=Path(folder))


def read_workflow(document: Path) -> Workflow:
    """Read the document that ran; anyone may have written its package.

    Raises:
        DocumentError: the document is not YAML.
    """
    tool = _main(read_document(document))
    record = _record(document.parent)
    image = record.get("image")
    return Workflow(
        document=document.name,
        title=_text(tool, "label") or document.stem,
        doc=_text(tool, "doc") or _text(tool, "label") or document.name,
        metadata=_metadata(record.get("metadata")),
        image=_text(image, "reference") if isinstance(image, dict) else "",
        inputs=_entries(tool.get("inputs")),
        outputs=_entries(tool.get("outputs")),
    )


def _main(document: Any) -> dict[str, Any]:
    """Return the process that a document describes; of a graph, its workflow."""
    graph = document.get("$graph") if isinstance(document, dict) else None
    processes = [one for one in graph if isinstance(one, dict)] if isinstance(graph, list) else [document]
    workflows = [one for one in processes if isinstance(one, dict) and one.get("class") == "Workflow"]
    main = (workflows or processes or [{}])[0]
    return main if isinstance(main, dict) else {}


def copy_documents(document: Path, folder: Path) -> None:
    """Copy the CWL documents of a package, its README and its record to a folder.

    Others are left out: their users write values, and so secrets, into ``inputs.yml``.

    Raises:
        DocumentsTooLargeError: the documents are too large.
    """
    room = _MOST
    for name, file in _open_documents(document):
        with file, (folder / name).open("wb") as copy:
            room -= _copy(file, copy, room)


def check_documents(document: Path) -> None:
    """Check that the documents of a package can be copied to a crate.

    Raises:
        DocumentsTooLargeError: the documents are too large.
    """
    size = 0
    for _, file in _open_documents(document):
        with file:
            size += os.fstat(file.fileno()).st_size
    if size > _MOST:
        raise DocumentsTooLargeError


class DocumentsTooLargeError(ValueError):
    """The documents of a package exceed the limit."""

    def __init__(self) -> None:
        super().__init__(f"the documents of the package have more than {_MOST >> 20} MiB")


def _open_documents(document: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Open the documents that are regular files, one after another; a link is not followed."""
    folder = document.parent
    for name in sorted({document.name, *(path.name for path in folder.glob("*.cwl")), "README.md", _RECORD}):
        try:
            file = open_regular_file(folder / name, follow_links=False)
        except OSError:
            continue
        yield name, file


def _copy(file: BinaryIO, copy: BinaryIO, most: int) -> int:
    """Copy a file that may grow meanwhile; return its size."""
    size = 0
    while block := file.read(1 << 20):
        size += len(block)
        if size > most:
            raise DocumentsTooLargeError
        copy.write(block)
    return size


def _record(folder: Path) -> Mapping[str, Any]:
    try:
        record = read_record(folder)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _metadata(stated: Any) -> Metadata:
    if not isinstance(stated, dict):
        return Metadata()
    words = [Word(name=str(name), value=value) for name, value in stated.items() if name != "sources"]
    return read_words(words, _RECORD)[0]


def _entries(listed: Any) -> dict[str, dict[str, Any]]:
    """Return the inputs or outputs of a document by name; a type alone is an entry too (CWL v1.2, "map")."""
    if not isinstance(listed, dict):
        return {}
    return {str(name): one if isinstance(one, dict) else {"type": one} for name, one in listed.items()}


def _text(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    return printable(value, lines=True) if isinstance(value, str) else ""
