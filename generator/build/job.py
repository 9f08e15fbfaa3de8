"""One build: a request, and what its commit contains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generator.environment.environment import Environment
from generator.image import names
from generator.process.process import Process
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
        return self.request.image or names.reference(self.source, environment=self.environment_key)

    @property
    def top(self) -> Path:
        """The folder of the checkout: of the package, or of the packages of several processes."""
        return self.request.output / self.source.owner / self.source.name / self.source.checkout

    @property
    def packages(self) -> tuple[tuple[Process, Path], ...]:
        """Each process with the folder of its package.

        One process has the checkout's folder; several have one each below it, with the shortest names that differ.
        """
        if len(self.processes) == 1:
            return ((self.processes[0], self.top),)
        paths = [process.path for process in self.processes]
        short = [process.name for process in self.processes]
        longer = [path.rpartition(".")[0].replace("/", "-") for path in paths]
        whole = [path.replace("/", "-") for path in paths]
        exact = [path.replace("-", "--").replace("/", "-") for path in paths]
        folders = next(one for one in (short, longer, whole, exact) if len(set(one)) == len(one) or one is exact)
        return tuple((process, self.top / name) for process, name in zip(self.processes, folders, strict=True))
