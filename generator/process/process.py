"""The process in a checkout: what kind it is, its title and its interface."""

from __future__ import annotations

import codecs
import os
import posixpath
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from generator.environment.apt import read_apt
from generator.environment.environment import BuildPack, Environment, find_environment
from generator.environment.requirements import read_requirements
from generator.notebook.distributions import distribution_of, left_python
from generator.notebook.imports import Imports, modules_below, read_imports
from generator.notebook.interface import Interface, read_interface
from generator.notebook.notebook import read_notebook
from generator.notebook.parameters import Remark
from generator.process.algorithm_config import Resources, find_algorithm_config, read_algorithm_config
from generator.shared.errors import EnvironmentSpecError, ProcessError, nearest

_always_there = {"packmill", "IPython", "ipykernel"}
_declares_nothing = {"runtime.txt"}
_text_limit = 16 * 1024**2


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A file of the repository that runs, and what it takes and gives."""

    path: str
    language: str
    kernel: str | None
    title: str
    interface: Interface
    doc: str = ""
    resources: Resources = field(default_factory=Resources)
    metadata: tuple[tuple[str, str], ...] = ()
    imports: Imports = field(default_factory=Imports)

    @property
    def is_notebook(self) -> bool:
        """Whether it is a notebook; otherwise it is a shell script."""
        return self.path.endswith(".ipynb")

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return posixpath.splitext(posixpath.basename(self.path))[0]


def read_process(folder: Path, path: str) -> Process:
    """The process at ``path`` in the checkout at ``folder``.

    Raises:
        ProcessError: it is not there, or a link that leaves the checkout.
        NotebookError, ParametersError: it is there and cannot be understood.
    """
    file = inside(folder, path)
    if file is None or not file.is_file():
        raise ProcessError(_missing(folder, path))
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ProcessError(f"{path}: cannot be read: {error.strerror}") from None
    if path.endswith(".sh"):
        return _shell(folder, path)
    notebook = read_notebook(data, path)
    interface = read_interface(notebook, folder=posixpath.dirname(path))
    language = notebook.language or "python"
    imports = read_imports(notebook.cells) if language.startswith("python") else Imports()
    return Process(
        path=path,
        language=language,
        kernel=notebook.kernel,
        title=notebook.title,
        interface=interface,
        imports=imports,
    )


def _shell(folder: Path, path: str) -> Process:
    config = find_algorithm_config(folder, path)
    if config is None:
        remark = Remark(line=0, message="no algorithm_config.yml beside it or at the top: the script has no inputs")
        interface = Interface(warnings=(remark,))
        return Process(path=path, language="shell", kernel=None, title=posixpath.basename(path), interface=interface)
    algorithm = read_algorithm_config(folder / config, config)
    return Process(
        path=path,
        language="shell",
        kernel=None,
        title=algorithm.title or posixpath.basename(path),
        doc=algorithm.doc,
        interface=algorithm.interface,
        resources=algorithm.resources,
        metadata=algorithm.metadata,
    )


def inside(folder: Path, path: str) -> Path | None:
    """The file at ``path``, None when a link on the way leaves ``folder``."""
    try:
        top = folder.resolve()
        real = (top / path).resolve()
        real.is_file()
    except (OSError, RuntimeError, ValueError):  # a name too long, a link to itself, a null byte
        return None
    return real if real.is_relative_to(top) else None


def _missing(folder: Path, path: str) -> str:
    if inside(folder, path) is None:
        return f"{path}: leads out of the repository or nowhere, as a link or by its name, and is not followed"
    there = sorted(_processes_in(folder))
    guess = nearest(path, there)
    if not there:
        return f"{path}: not in the repository, and no other notebook or shell script is there"
    listed = ", ".join(there[:10]) + (f" and {len(there) - 10} more" if len(there) > 10 else "")
    return f"{path}: not in the repository{f'; did you mean {guess!r}?' if guess else ''}\n  there are: {listed}"


def _processes_in(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith((".ipynb", ".sh")):
                yield str(Path(root, name).relative_to(folder))


def repository_files(folder: Path) -> list[str]:
    """The names at the top of a checkout and in its binder folders, as `find_environment` wants them."""
    names = [entry.name for entry in folder.iterdir() if not entry.is_dir()]
    for binder in ("binder", ".binder"):
        if (folder / binder).is_dir():
            names += [f"{binder}/{entry.name}" for entry in (folder / binder).iterdir()] or [f"{binder}/"]
    return names


def environment_of(folder: Path, *, standard: bool = False) -> Environment:
    """The environment of a checkout, none of whose files is a link that leaves it.

    Raises:
        EnvironmentSpecError: one is, there are two binder folders, or a file cannot be understood.
    """
    environment = find_environment(repository_files(folder), lambda path: read_text(folder, path), standard=standard)
    for file in environment.files:
        if inside(folder, file) is None:
            raise EnvironmentSpecError(f"{file}: a link that leaves the repository is not followed")
    if environment.buildpack is BuildPack.PLAIN_PYTHON:
        _check_contents(folder, environment)
    return environment


def _check_contents(folder: Path, environment: Environment) -> None:
    """Reads what the build will read, so that a mistake is told before anything is fetched or built."""
    for file in environment.files:
        name = posixpath.basename(file)
        if name == "apt.txt":
            read_apt(file, read_text(folder, file) or "")
        elif name == "requirements.txt":
            read_requirements(file, lambda path: read_text(folder, path))


def undeclared(process: Process, environment: Environment, folder: Path) -> str:
    """A sentence about what the notebook imports where no file says what there is; empty when one does."""
    if any(posixpath.basename(file) not in _declares_nothing for file in environment.files):
        return ""
    known = sys.stdlib_module_names | left_python.keys() | _always_there
    asked = [one for one in process.imports.modules if one.module not in known]
    if asked:
        there = modules_below(folder)
        asked = [one for one in asked if one.module not in there]
    if not asked:
        return ""
    lines = "\n".join(f"  {name}" for name in dict.fromkeys(distribution_of(one.name) for one in asked))
    imported = f"{process.path} imports {', '.join(one.module for one in asked)}"
    return f"no environment is described, and {imported}: a requirements.txt would say\n{lines}"


def read_text(folder: Path, path: str) -> str | None:
    """A file's text; None when it is not there, leaves the checkout, or is larger than any configuration file."""
    file = inside(folder, path)
    if file is None or not file.is_file() or file.stat().st_size > _text_limit:
        return None
    data = file.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell's ">" writes it
    return data.decode("utf-16" if utf16 else "utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
