"""Read the process in a checkout: its language, its interface, its metadata, and the resources that it asks for."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from generator.metadata.metadata import Metadata
from generator.metadata.read import Stated, read_notebook_statements, read_repository_statements
from generator.metadata.sources import heading
from generator.notebook.choices import Choices, no_choices
from generator.notebook.dialects.sidecar import sidecar_of
from generator.notebook.imports import Imports, read_imports
from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import Notebook, read_notebook
from generator.notebook.parameters import Remark
from generator.notebook.stage_ins import folders_below
from generator.notebook.text_formats import as_notebook, ending_of, is_notebook_name, is_text_name
from generator.repository.checkout import inside, read_bytes
from generator.repository.process_folders import default_process
from generator.request.resources import Resources
from generator.shared.errors import PackmillError, ProcessError
from generator.shared.suggestions import did_you_mean, list_some


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A file of the repository that runs, with its interface."""

    path: str
    language: str
    kernel: str | None
    interface: Interface
    metadata: Metadata = field(default_factory=Metadata)
    resources: Resources = field(default_factory=Resources)
    imports: Imports = field(default_factory=Imports)
    parameters_cell: int | None = None
    """The number of the cell that a request chose for the parameters."""
    has_chosen_kernel: bool = False
    """Whether a request chose the kernel, which no other one replaces."""
    chosen_language: str = ""
    """The language if a request chose it, and the notebook states another."""

    @property
    def is_notebook(self) -> bool:
        """Whether it is a notebook; otherwise it is a shell script."""
        return is_notebook_name(self.path)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return posixpath.splitext(posixpath.basename(self.path))[0]


def read_process(folder: Path, path: str, choices: Choices = no_choices, *, left_out: Iterable[str] = ()) -> Process:
    """Read the process at ``path`` in the checkout at ``folder``; ``left_out`` are its submodules with empty folders.

    A request's ``choices`` precede what a notebook states.

    Raises:
        ProcessError: the file is missing, cannot be read, or is a link that leaves the checkout.
        NotebookError: the file is not a valid notebook.
        ParametersError: the parameters cell or the algorithm_config is invalid.
    """
    file = inside(folder, path)
    if file is None or not file.is_file():
        raise ProcessError(_explain_missing(folder, path, left_out))
    data = read_bytes(file, path, ProcessError)
    if path.endswith(".sh"):
        return _read_script(folder, path, choices)
    data = as_notebook(data, path)
    notebook = read_notebook(choices.apply(data, path), path)
    own = posixpath.dirname(path)
    interface = read_interface(
        notebook, folder=own, is_folder=folders_below(folder, own), sidecar=sidecar_of(folder, path)
    )
    language = notebook.language or "python"
    imports = read_imports(notebook.without_long_cells().cells) if language.startswith("python") else Imports()
    stated = read_notebook_statements(folder, notebook)
    return Process(
        path=path,
        language=language,
        kernel=notebook.kernel,
        interface=replace(interface, warnings=(*interface.warnings, *stated.remarks)),
        metadata=stated.metadata.over(heading.read(notebook)),
        resources=stated.resources,
        imports=imports,
        parameters_cell=choices.parameters_cell,
        has_chosen_kernel=choices.kernel is not None,
        chosen_language=_chosen_language(data, notebook, choices),
    )


def _chosen_language(data: bytes, notebook: Notebook, choices: Choices) -> str:
    """Return the language if the notebook states another one than the choices lead to."""
    if not choices.kernel and not choices.language:
        return ""
    return notebook.language if read_notebook(data, notebook.name).language != notebook.language else ""


def describe_repository(folder: Path) -> Metadata:
    """Return the metadata of a repository, for its image, which all of its processes share.

    The default process states it if the repository has one, else the files that describe the whole repository.
    """
    file = inside(folder, default_process)
    if file is not None and file.is_file():
        try:
            notebook = read_notebook(read_bytes(file, default_process, ProcessError), default_process)
            return read_notebook_statements(folder, notebook).metadata
        except PackmillError:  # a build of another process need not read it
            pass
    return read_repository_statements(folder).metadata


def _read_script(folder: Path, path: str, choices: Choices) -> Process:
    from generator.process.algorithm_config import find_algorithm_config, read_algorithm_config

    config = find_algorithm_config(folder, path)
    if config is None:
        remark = Remark(
            line=0, message="algorithm_config.yml not found next to it or at the top: the script has no inputs"
        )
        interface, stated = Interface(warnings=(remark,)), Stated()
    else:
        is_folder = folders_below(folder, posixpath.dirname(path))
        interface, stated = read_algorithm_config(folder / config, config, is_folder=is_folder)
    if choices != no_choices:
        remark = Remark(line=0, message="a shell script: kernel, language and parameters cell are for notebooks")
        interface = replace(interface, warnings=(*interface.warnings, remark))
    stated = stated.over(read_repository_statements(folder, licensed=bool(stated.metadata.license)))
    return Process(
        path=path,
        language="shell",
        kernel=None,
        interface=replace(interface, warnings=(*interface.warnings, *stated.remarks)),
        metadata=stated.metadata,
        resources=stated.resources,
    )


def _explain_missing(folder: Path, path: str, left_out: Iterable[str]) -> str:
    above = {str(one) for one in PurePosixPath(posixpath.normpath(path)).parents}
    submodule = next((one for one in left_out if one in above), None)
    if submodule:
        return f"{path}: in the submodule {submodule}, which is left out; try again without --no-submodules"
    if inside(folder, path) is None:
        return f"{path}: leads out of the repository, or a link in it is broken; give a path in the repository"
    available = sorted(_list_processes(folder))
    if not available:
        return f"{path}: not found, and the repository has no other notebook or shell script"
    return f"{path}: not in the repository{did_you_mean(path, available)}\n  available: {list_some(available)}"


def _list_processes(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith((".ipynb", ".sh")) or _is_text_notebook(Path(root, name)):
                yield str(Path(root, name).relative_to(folder))


def _is_text_notebook(path: Path) -> bool:
    """Check a file for the ending and the marks of a text notebook; links and unreadable files do not count."""
    if not is_text_name(path.name) or path.is_symlink() or not path.is_file():
        return False
    from generator.notebook.text_formats.recognition import HEAD, is_notebook_text

    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return is_notebook_text(file.read(HEAD), ending_of(path.name))
    except OSError:
        return False
