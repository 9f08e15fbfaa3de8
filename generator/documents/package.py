"""The documents of a package, ready to be written.

To add a document, write a module with `emit`, and add it to `emitters`, or to `optional_emitters`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from generator.documents import readme
from generator.documents.context import DocumentContext
from generator.documents.cwl import job, process, workflow
from generator.documents.cwl.job import default_paths
from generator.documents.descriptors import airflow, application
from generator.documents.provenance import BuildRecord, package_json
from generator.notebook.parameters import CwlType
from generator.process.process import Process
from generator.repository.checkout import inside

_example_limit = 1024**2
_example_count = 100


class Emitter(Protocol):
    """A module that emits one document, or a few that belong together."""

    def emit(self, context: DocumentContext, /) -> Mapping[str, str]:
        """Return the text of each document by its name; empty when this process needs none."""


emitters: tuple[Emitter, ...] = (process, workflow, job, application, readme)
"""The documents of every package but ``package.json``, which lists the others."""
optional_emitters: Mapping[str, Emitter] = MappingProxyType({"airflow": airflow})
"""Documents that a request asks for, by the names in `generator.request.build.optional_documents`."""


def package(
    context: DocumentContext,
    *,
    environment: tuple[str, ...],
    image_digest: str | None,
    staging_digest: str | None = None,
    tools: Mapping[str, str],
    build: BuildRecord | None = None,
    image_texts: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str | bytes]:
    """Return every file of a package by its path.

    ``image_texts`` are the files that were read from the image, by name: its lock and its SBOM.
    """
    files: dict[str, str | bytes] = {}
    for emitter in (*emitters, *(optional_emitters[name] for name in context.emits)):
        files |= emitter.emit(context)
    files |= image_texts
    for path, name in context.example_names.items():
        files |= {f"{name}/{below}" if below else name: data for below, data in context.examples[path].items()}
    files["package.json"] = package_json(
        context,
        environment=environment,
        image_digest=image_digest,
        staging_digest=staging_digest,
        tools=tools,
        documents=[*files, "package.json"],
        build=build,
    )
    return files


def example_files(folder: Path, process: Process) -> dict[str, dict[str, bytes]]:
    """Read the repository's files and folders that are defaults, so that the package runs as its author ran it."""
    found: dict[str, dict[str, bytes]] = {}
    for one in process.interface.inputs:
        if one.hint.type in (CwlType.FILE, CwlType.DIRECTORY):
            for path in default_paths(one.default):
                place = inside(folder, str(Path(process.path).parent / path)) if not path.startswith("/") else None
                read = _read_file if one.hint.type is CwlType.FILE else _read_folder
                if place and (content := read(place)):
                    found[path] = content
    return found


def _read_file(path: Path) -> dict[str, bytes]:
    return {"": path.read_bytes()} if path.is_file() and path.stat().st_size <= _example_limit else {}


def _read_folder(folder: Path) -> dict[str, bytes]:
    """Read the files of a folder; nothing if it is empty, large, has links, or holds a git repository."""
    content: dict[str, bytes] = {}
    size = 0
    for root, folders, files in os.walk(folder):
        paths = [Path(root, name) for name in sorted((*folders, *files))]
        if ".git" in folders or any(path.is_symlink() for path in paths):
            return {}
        for path in (one for one in paths if one.is_file()):
            size += path.stat().st_size
            if size > _example_limit or len(content) == _example_count:
                return {}
            content[path.relative_to(folder).as_posix()] = path.read_bytes()
    return content
