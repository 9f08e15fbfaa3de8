"""``packmill-runner run``: one process, from the input object to the output directory."""

from __future__ import annotations

import errno
import json
import os
import posixpath
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.errors import PackmillError
from generator.interface import Interface, read_interface
from generator.notebook import Notebook, decode_notebook, read_notebook
from generator.runner.failures import DiskFullError, OutputMissingError, ProcessFailedError, ProcessMissingError
from generator.runner.kernels import choose_kernel, find_kernels
from generator.runner.result import Record
from generator.runner.scraps import read_scraps
from generator.runner.values import notebook_values, read_inputs
from generator.runner.watching import settle, watched
from generator.runner.workspace import Place, Workspace, repository_place

_kernel_modules = Path(__file__).parent / "kernel_modules"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What ``run`` was asked for."""

    process: str
    inputs: Path
    output: Path
    kernel: str | None = None
    repository: str | None = None
    expected: tuple[tuple[str, str], ...] = ()
    cell_time_limit: float | None = None
    time_limit: float | None = None


def say(line: str) -> None:
    """One line of progress; stdout belongs to results."""
    print(line, file=sys.stderr, flush=True)


def run(request: Run) -> None:
    """Runs the process.

    Raises:
        RunFailedError: it failed; what it wrote until then is in the output directory all the same.
    """
    inputs = read_inputs(request.inputs)
    place = repository_place(request.repository)
    process = process_path(request.process, place)
    request.output.mkdir(parents=True, exist_ok=True)
    output = request.output.resolve()
    record = Record(process=process)
    error: BaseException | None = None
    try:
        with watched(request.time_limit), _told_of_full_disks():
            _run(request, inputs, place, output, record)
    except BaseException as caught:
        error = caught
        raise
    finally:
        with suppress(OSError):  # a disk that is full takes no record either
            record.write(output, error)


def _run(request: Run, inputs: dict[str, Any], place: Place, output: Path, record: Record) -> None:
    with _scratch(Path.cwd()) as scratch:
        workspace = Workspace(top=scratch / "repository", process=record.process)
        runner = _run_notebook if record.process.endswith(".ipynb") else _run_shell
        try:
            runner(request, inputs, place, workspace, record)
        finally:
            settle()
            for warning in workspace.collect(output):
                say(f"warning: {warning}")
        _check_outputs(request.expected, output)


@contextmanager
def _told_of_full_disks() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(f"no space is left: {error}") from None


def _check_outputs(expected: tuple[tuple[str, str], ...], output: Path) -> None:
    missing = [f"{name}: nothing matches {pattern!r}" for name, pattern in expected if not any(output.glob(pattern))]
    if missing:
        there = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
        listed = ", ".join(there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
        raise OutputMissingError(
            "\n  ".join(["the process did not write its outputs", *missing, f"there are: {listed}"])
        )


def process_path(process: str, place: Place) -> str:
    """The process relative to the repository's top, posix.

    Raises:
        ProcessMissingError: it is not there, or outside.
    """
    relative = posixpath.normpath(process)
    path = place.folder / relative
    if relative.startswith(("..", "/")) or not path.is_file():
        raise ProcessMissingError(f"{process}: not in the image's repository at {place.folder}")
    return relative


def load(process: str, place: Place) -> tuple[str, Notebook, Interface]:
    """The notebook's text, what packmill reads in it, and its interface.

    Raises:
        ProcessMissingError: it cannot be read.
    """
    try:
        data = (place.folder / process).read_bytes()
        notebook = read_notebook(data, process)
        return decode_notebook(data, process), notebook, read_interface(notebook, folder=posixpath.dirname(process))
    except (OSError, PackmillError) as error:
        raise ProcessMissingError(str(error)) from None


def _run_notebook(request: Run, inputs: dict[str, Any], place: Place, workspace: Workspace, record: Record) -> None:
    from generator.runner.execution import Task, execute

    text, notebook, interface = load(workspace.process, place)
    language = notebook.language or "python"
    parameters = notebook_values(inputs, interface, language=language)
    kernel, warning = choose_kernel(find_kernels(os.environ), name=request.kernel or notebook.kernel, language=language)
    if warning:
        say(f"warning: {warning}")
    workspace.fill(
        place, written=[pattern for _, pattern in request.expected] + [one.glob for one in interface.outputs]
    )
    output = request.output.resolve()
    executed = output / posixpath.basename(workspace.process)
    task = Task(
        text=text,
        name=workspace.process,
        output=executed,
        kernel=kernel,
        language=language,
        parameters=parameters,
        directory=workspace.directory,
        secret=tuple(one.name for one in interface.inputs if one.hint.secret),
        cell_time_limit=request.cell_time_limit,
    )
    record.kernel = kernel.name
    try:
        execute(task, record, say=say)
    finally:
        cells = json.loads(executed.read_text(encoding="utf-8"))["cells"] if executed.is_file() else []
        scraps = json.dumps(read_scraps(cells), indent=1, ensure_ascii=False, sort_keys=False)
        (output / "scraps.json").write_text(scraps + "\n", encoding="utf-8")


def _run_shell(request: Run, _inputs: dict[str, Any], place: Place, workspace: Workspace, _record: Record) -> None:
    """A shell process gets the path of the input object as its first argument, as in the original system."""
    workspace.fill(place, written=[pattern for _, pattern in request.expected])
    script = workspace.directory / posixpath.basename(workspace.process)
    command = [str(script)] if os.access(script, os.X_OK) else ["bash", str(script)]
    try:
        done = subprocess.run([*command, str(request.inputs.resolve())], cwd=workspace.directory, check=False)
    except OSError as error:
        raise ProcessFailedError(f"{workspace.process}: cannot be started: {error}") from None
    if done.returncode != 0:
        how = (
            f"was killed by signal {-done.returncode}" if done.returncode < 0 else f"ended with code {done.returncode}"
        )
        raise ProcessFailedError(f"{workspace.process} {how}")


@contextmanager
def _scratch(cwd: Path) -> Iterator[Path]:
    """A folder for this run in the working directory, where results can be moved out of cheaply; removed at the end.

    Programs that want to keep something in HOME are sent there, or to TMPDIR, so that results stay clean.
    """
    scratch = Path(tempfile.mkdtemp(prefix=".packmill-", dir=cwd))
    homes = Path(tempfile.mkdtemp(prefix="packmill-"))
    (homes / "runtime").mkdir(mode=0o700)
    os.environ.update(
        IPYTHONDIR=str(homes / "ipython"),
        JUPYTER_RUNTIME_DIR=str(homes / "runtime"),
        MPLCONFIGDIR=str(homes / "matplotlib"),
        XDG_CACHE_HOME=str(homes / "cache"),
        NUMBA_CACHE_DIR=str(homes / "numba"),
        PYTHONPATH=os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(_kernel_modules)))),
    )
    if not os.access(os.environ.get("HOME", "/nowhere"), os.W_OK):
        os.environ["HOME"] = str(homes)
    os.environ.setdefault("USER", "jovyan")
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(homes, ignore_errors=True)
