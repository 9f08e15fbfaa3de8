"""The options of a run of a process of the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.notebook.choices import Choices, no_choices
from generator.notebook.interface import Output
from generator.runner.execution.execution import Start
from generator.runner.kernels.specs import Kernel, find_kernels
from generator.runner.packaged.kept_copy import KeptCopy, KeptHome
from generator.shared.write_limits import WriteLimits, no_limits


@dataclass(frozen=True, kw_only=True, slots=True)
class PackagedRun:
    """The options of ``run --process``, as the generated CWL gives them."""

    process: str
    output: Path
    inputs: Path | None = None
    kernel: str | None = None
    choices: Choices = no_choices
    """The language and the parameters cell instead of those of the notebook."""
    repository: str | None = None
    expected: tuple[tuple[str, str], ...] = ()
    paths: tuple[tuple[str, str], ...] = ()
    """Inputs of a script that are texts of paths, with their defaults."""
    staged: tuple[tuple[str, str], ...] = ()
    """Inputs that are given as folders with a STAC catalog, with the types that the process gets."""
    plain: tuple[str, ...] = ()
    """Inputs that are given as JSON text, or as a list that is empty without a value."""
    catalog: str | None = None
    """The ID of the STAC catalog of the results, if one is written; the output directory is then the only output."""
    all_outputs: bool = False
    """Whether the declared outputs are outputs next to a catalog, too."""
    declared: tuple[Output, ...] = ()
    """The outputs of a script; those of a notebook are in the notebook."""
    template: str | None = None
    template_args: Mapping[str, str] = field(default_factory=dict)
    html: bool = False
    save_while_running: bool = True
    save_at_start: bool = True
    show_cells: bool = True
    say: Callable[[str], None] = print
    time_limit: float | None = None
    spent: float = 0.0
    """Seconds of the time limit that an attempt before this one took."""
    write_limits: WriteLimits = no_limits
    """What the process may write to the output directory, its working copy and its HOME, together."""
    execution: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Task` that come directly from options."""
    start: Start | None = None
    """Starts the kernel, if it is not a process of its own."""
    kernels: Callable[[Mapping[str, str]], tuple[Kernel, ...]] = find_kernels
    """Lists the kernels of an environment."""
    kept_copy: KeptCopy | None = None
    """Where a process that executes several runs keeps the working copy of one for the next."""
    kept_home: KeptHome | None = None
    """The same for the folder of HOME and caches."""
    left_out: tuple[Path, ...] = ()
    """Folders of the repository, absolute and without links, that are not part of the run's working copy."""
    in_place: bool = False
    """Whether a notebook runs in its own folder, with the user's HOME, instead of a working copy."""
    on_cell: Callable[[int, int], None] | None = None
    """Called before each cell with its number, from 1, and the number of cells."""
