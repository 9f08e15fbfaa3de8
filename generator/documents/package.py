"""The documents of a package, ready to be written.

To add a document, write a module with `emit`, and add it to `emitters`, or to `optional_emitters`. A document that
lists the others has `emit_catalog`, and is one of `catalogs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from generator.documents import readme
from generator.documents.context import DocumentContext
from generator.documents.cwl import application, job, process, scatter, workflow
from generator.documents.descriptors import airflow, maap, ogc, ro_crate
from generator.documents.descriptors import application as older_descriptor
from generator.documents.provenance import BuildRecord, package_json


class Emitter(Protocol):
    """A module that emits one document, or a few that belong together."""

    def emit(self, context: DocumentContext, /) -> Mapping[str, str]:
        """Return the text of each document by its name; empty when this process needs none."""


class Catalog(Protocol):
    """A module that emits a document which lists the other files of a package."""

    def emit_catalog(self, context: DocumentContext, files: Iterable[str], /) -> Mapping[str, str]:
        """Return the text of the document by its name; ``files`` are all others."""


emitters: tuple[Emitter, ...] = (process, workflow, application, scatter, job, older_descriptor, ogc, readme)
"""The documents of every package but ``package.json``, which lists the others."""
optional_emitters: Mapping[str, Emitter] = MappingProxyType({"airflow": airflow, "maap": maap})
"""Documents that a request asks for, by the names in `generator.request.build.optional_documents`."""
catalogs: Mapping[str, Catalog] = MappingProxyType({"ro-crate": ro_crate})
"""Documents on request that list the other files, by the names there."""


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
    for emitter in (*emitters, *(optional_emitters[name] for name in context.emits if name in optional_emitters)):
        files |= emitter.emit(context)
    files |= image_texts
    files |= context.examples
    for name in context.emits:
        if name in catalogs:
            files |= catalogs[name].emit_catalog(context, [*files, "package.json"])
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
