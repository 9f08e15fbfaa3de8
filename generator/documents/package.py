"""A whole package as values: every document by its path, ready to be written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from generator.documents.cwl.job import default_paths, inputs_yml
from generator.documents.cwl.process import process_cwl
from generator.documents.cwl.workflow import staging_documents
from generator.documents.descriptors.application import application_descriptor
from generator.documents.facts import Facts
from generator.documents.provenance import BuildRecord, package_json
from generator.documents.readme import readme_md
from generator.notebook.parameters import CwlType
from generator.process.process import Process
from generator.repository.checkout import inside

_example_limit = 1024**2


def package(
    facts: Facts,
    *,
    environment: tuple[str, ...],
    image_digest: str | None,
    staging_digest: str | None = None,
    tools: Mapping[str, str],
    examples: Mapping[str, bytes],
    address: str = "",
    build: BuildRecord | None = None,
    of_the_image: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str | bytes]:
    """The documents by their path in the package; ``examples`` maps paths as the cell has them to their content.

    ``address`` is where the package will be read, if that is known; ``of_the_image`` are the texts that came out of the
    image, by their names: its lock and its SBOM.
    """
    carried = {path: f"example/{index}_{Path(path).name}" for index, path in enumerate(examples)}
    href = f"{address}/process.cwl" if address else "process.cwl"
    files: dict[str, str | bytes] = {
        "process.cwl": process_cwl(facts),
        **staging_documents(facts),
        "inputs.yml": inputs_yml(facts, carried),
        "applicationDescriptor.json": application_descriptor(facts, href=href),
        "README.md": readme_md(facts),
        **of_the_image,
        **{carried[path]: content for path, content in examples.items()},
    }
    names = [*files, "package.json"]
    files["package.json"] = package_json(
        facts,
        environment=environment,
        image_digest=image_digest,
        staging_digest=staging_digest,
        tools=tools,
        documents=names,
        build=build,
    )
    return files


def example_files(folder: Path, process: Process) -> dict[str, bytes]:
    """The files of the repository that the cell names as defaults, so that the package runs as its author ran it."""
    found: dict[str, bytes] = {}
    for one in process.interface.inputs:
        if one.hint.type is CwlType.FILE:
            for path in default_paths(one.default):
                file = inside(folder, str(Path(process.path).parent / path)) if not path.startswith("/") else None
                if file and file.is_file() and file.stat().st_size <= _example_limit:
                    found[path] = file.read_bytes()
    return found
