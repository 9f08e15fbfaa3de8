"""``packmill-runner check``: prove that a process can run in this image, before the first input arrives."""

from __future__ import annotations

import os
import posixpath
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.notebook.choices import Choices
from generator.notebook.imports import Imports, read_imports
from generator.notebook.kernel_names import language_of_kernel
from generator.notebook.sos import is_sos
from generator.runner.check.modules import report_imports
from generator.runner.check.probe import ImportResults, probe_imports
from generator.runner.document.injection import find_translator
from generator.runner.image_note import ImageVariables
from generator.runner.kernels.process import KernelProcess, new_connection
from generator.runner.kernels.specs import Kernel, choose_kernel, find_kernels
from generator.runner.packaged.home import prepare_home
from generator.runner.packaged.notebook_run import load_notebook
from generator.runner.packaged.repository_location import RepositoryLocation, locate_repository
from generator.runner.packaged.run import find_process
from generator.shared.failures import BadInputsError, KernelMissingError

_START_LIMIT = 60.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """The options of ``check``.

    ``execute_imports`` imports the notebook's modules, which runs their code; ``declared_in`` is the environment's file
    that declares packages.
    """

    process: str
    kernel: str | None = None
    exact_kernel: bool = False
    """Whether another kernel of the language may not replace it."""
    language: str | None = None
    repository: str | None = None
    execute_imports: bool = False
    declared_in: str = ""


def check(request: Check) -> dict[str, Any]:
    """Return the language and kernel that the image runs the process with, and warnings.

    Raises:
        RunFailedError: the process cannot run in this image; the message names what is missing.
    """
    place = locate_repository(request.repository)
    place.variables.restore(os.environ)
    process = find_process(request.process, place)
    if process.endswith(".sh"):
        return {"process": process, "language": "shell", "kernel": None, "warnings": []}
    with tempfile.TemporaryDirectory() as homes:
        prepare_home(Path(homes), place.home, os.environ)
        return _check_notebook(request, place, process)


def _check_notebook(request: Check, place: RepositoryLocation, process: str) -> dict[str, Any]:
    _, notebook, interface = load_notebook(process, place, Choices(language=request.language))
    language = notebook.language or "python"
    name = request.kernel or notebook.kernel
    found = find_kernels(os.environ)
    kernel, warning = choose_kernel(found, name=name, language=language, exact=request.exact_kernel)
    changed = _compare_kernels(kernel, place.variables, name=name, language=language)
    written = notebook.parameters_language
    if interface.inputs and find_translator("" if is_sos(language) else kernel.name, written) is None:
        raise BadInputsError(f"{process}: parameters cannot be written in the language {written!r}")
    warnings = [one for one in (warning, changed, _compare_languages(kernel, language)) if one]
    imports = read_imports(notebook.without_long_cells().cells) if language.startswith("python") else Imports()
    results = _probe_kernel(kernel, imports, process, place, execute=request.execute_imports)
    warnings += report_imports(results, imports, process, file=request.declared_in, earlier=warnings)
    return {
        "process": process,
        "language": language,
        "kernel": kernel.name,
        "warnings": warnings,
    }


def _compare_languages(kernel: Kernel, language: str) -> str:
    """Return a warning if the kernel is of another language than the notebook."""
    runs, written = language_of_kernel(kernel.language), language_of_kernel(language)
    if not runs or not written or runs == written or is_sos(language):
        return ""
    return (
        f"kernel {kernel.name!r} runs {runs}, but the notebook states {written}, and so its parameters are read and "
        f"written; choose the language with --language {runs}, or another kernel with --kernel"
    )


def _compare_kernels(kernel: Kernel, variables: ImageVariables, *, name: str | None, language: str) -> str:
    """Return a warning if the image's ENTRYPOINT chooses another program for the kernel than the image's variables.

    Raises:
        KernelMissingError: the ``start`` script does, although packmill restores PATH after it.
    """
    try:
        plain, _ = choose_kernel(find_kernels(variables.original(os.environ)), name=name, language=language)
    except KernelMissingError:  # only the ENTRYPOINT makes a kernel available
        return ""
    if plain.argv[0] == kernel.argv[0]:
        return ""
    chosen = f"kernel {kernel.name!r} is {kernel.argv[0]}, but {plain.argv[0]} without it"
    if variables.start:
        raise KernelMissingError(f"{variables.start}: {chosen}; do not change the kernel in {variables.start}")
    return f"the image's ENTRYPOINT chooses the interpreter: {chosen}"


def _probe_kernel(
    kernel: Kernel, imports: Imports, process: str, place: RepositoryLocation, *, execute: bool
) -> ImportResults:
    """Start the kernel once and ask it for the modules that the notebook imports.

    The kernel starts in the notebook's folder, as in a run, so that it finds modules next to the notebook.
    """
    from generator.runner.kernels.endings import KernelGoneError, NotReadyError
    from generator.runner.kernels.session import Session

    with tempfile.TemporaryDirectory() as temporary:
        log = Path(temporary, "kernel.log")
        session: Session | None = None
        try:
            with log.open("wb") as file:
                connection = new_connection(kernel, Path(temporary))
                program = KernelProcess(
                    kernel,
                    connection=connection,
                    runtime=Path(temporary),
                    cwd=place.folder / posixpath.dirname(process),
                    log=file.fileno(),
                )
            session = Session(program)
            session.wait_until_ready(_START_LIMIT)
            return probe_imports(session, imports, place.folder, Path(temporary, "imports.json"), execute=execute)
        except (KernelGoneError, NotReadyError, OSError) as error:
            output = log.read_text(errors="replace").strip().splitlines()[-5:] if log.exists() else []
            why = str(error) or ("its process exited" if isinstance(error, KernelGoneError) else "no answer")
            message = "\n  ".join([f"kernel {kernel.name!r}: cannot start: {why}", *output])
            raise KernelMissingError(message) from None
        finally:
            if session:
                session.end()


def describe_image() -> dict[str, Any]:
    """List the image's packages, and read the lock files that its Python environment was installed from."""
    from generator.runner.check.inventory import list_packages

    environment = Path(os.environ.get("VIRTUAL_ENV", "/srv/venv"))
    locks = {name: environment / name for name in ("requirements.lock", "pylock.toml")}
    return {
        "contents": list_packages(os.environ),
        "locks": {name: path.read_text(encoding="utf-8") for name, path in locks.items() if path.is_file()},
    }
