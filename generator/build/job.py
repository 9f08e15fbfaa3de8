"""One build: a request, and what its commit contains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generator.environment.environment import Environment
from generator.image import names
from generator.process.process import Process
from generator.repository.places import Claim, Holder
from generator.repository.process_folders import process_folder
from generator.repository.source import Source
from generator.request.build import BuildRequest
from generator.request.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildJob:
    """A request with the commit that was read for it.

    ``folder`` holds the files of the commit; ``environment_key`` identifies an environment that was requested instead
    of the repository's own.
    """

    request: BuildRequest
    settings: Settings
    source: Source
    folder: Path
    environment: Environment
    environment_key: str
    processes: tuple[Process, ...]

    @property
    def reference(self) -> str:
        """The image's name before it is pushed."""
        request = self.request
        return request.image or names.reference(
            self.source, environment=self.environment_key, variants=request.image_variants
        )

    @property
    def place(self) -> str:
        """The place of the packages in an output folder and a destination."""
        return Path(self.source.owner, self.source.name, self.source.checkout).as_posix()

    @property
    def top(self) -> Path:
        """The folder of the place: of the default process's package; those of other processes are below it."""
        return self.request.output / self.place

    @property
    def packages(self) -> tuple[tuple[Process, Path], ...]:
        """Each process with the folder of its package, which does not depend on the other processes."""
        return tuple((process, self.top / process_folder(process.path)) for process in self.processes)

    @property
    def package(self) -> Path:
        """The folder of the package, or the one that holds the packages of several processes."""
        return self.packages[0][1] if len(self.processes) == 1 else self.top

    @property
    def claim(self) -> Claim:
        """The folders that the packages take at their place."""
        source = self.source
        own = Holder(address=source.address, checkout=source.checkout, place=self.place)
        folders = {process_folder(process.path): process.path for process in self.processes}
        return Claim(path=self.place, own=own, folders=folders, replace=self.request.replace)
