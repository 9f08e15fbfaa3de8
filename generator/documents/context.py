"""What every document emitter gets: the process, its source, the images that run it, and the options of the build."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from generator.metadata.metadata import Metadata
from generator.metadata.sources import git
from generator.notebook.text_formats import notebook_stem
from generator.process.process import Process
from generator.repository.process_folders import process_folder
from generator.repository.source import Source


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentContext:
    """A process, the commit that it comes from, and the images that run it."""

    process: Process
    source: Source
    image: str
    staging_image: str = ""
    """The image of the steps around the process."""
    network: bool = False
    output_template: str | None = None
    guard: bool = False
    """Whether staging steps keep to public addresses, apart from those in ``guard_allows``."""
    guard_allows: tuple[str, ...] = ()
    emits: tuple[str, ...] = ()
    """The optional documents that the request asks for (`generator.request.build.optional_documents`)."""
    scatter: tuple[str, ...] = ()
    """The inputs that ``scatter.cwl`` scatters over; empty for the only stage-in, if there is exactly one."""
    address: str = ""
    """Address of the package's folder; empty when it is not deposited."""
    example_names: Mapping[str, str] = field(default_factory=dict)
    """Files and folders that the package carries as default values, by their path in the parameters cell."""
    examples: Mapping[str, bytes] = field(default_factory=dict)
    """The content of their files, by path in the package."""

    @property
    def metadata(self) -> Metadata:
        """The metadata of the process, completed by its commit; version and date are never empty."""
        return self.process.metadata.over(git.read(self.source))

    @property
    def identifier(self) -> str:
        """``<owner>.<name>.<checkout>``, as in the original system, then the folder of a non-default process."""
        parts = (self.source.owner, self.source.name, self.source.checkout, process_folder(self.process.path))
        return re.sub(r"[^\w.-]", "-", ".".join(part for part in parts if part).replace("/", "."))

    @property
    def process_id(self) -> str:
        """The identifier on platforms: the one that the notebook states, else that of the package."""
        return self.process.metadata.process_id or self.identifier

    @property
    def title(self) -> str:
        """The stated name, else the name of the file."""
        return self.process.metadata.name or notebook_stem(Path(self.process.path).name)

    @property
    def doc(self) -> str:
        """The stated description, else the process's path, repository and commit."""
        origin = f"{self.process.path} of {self.source.address} at commit {self.source.commit}"
        return self.process.metadata.description or f"Runs {origin}."
