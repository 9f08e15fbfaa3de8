"""One run of a process of the image, while it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.notebook.interface import Output
from generator.runner.packaged.in_place import NotebookFolder
from generator.runner.packaged.repository_location import RepositoryLocation
from generator.runner.packaged.request import PackagedRun
from generator.runner.packaged.workspace import Workspace
from generator.runner.results.result import RunRecord


@dataclass(kw_only=True, slots=True)
class ProcessRun:
    """The state of one run; the path of the executed notebook is known once the inputs are valid."""

    request: PackagedRun
    inputs: dict[str, Any]
    place: RepositoryLocation
    workspace: Workspace | NotebookFolder
    scratch: Path
    """A folder for further files of the run."""
    output: Path
    record: RunRecord
    outputs: tuple[Output, ...]
    executed: Path | None = None
