"""``packmill-runner run --process``: a process of the image, from the input object to the output directory."""

from __future__ import annotations

import os
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from generator.notebook.choices import Choices, no_choices
from generator.notebook.dialects.sidecar import sidecar_of
from generator.notebook.interface import Interface, Output, parameter_name, read_interface
from generator.notebook.notebook import Notebook, read_notebook
from generator.notebook.stage_ins import folders_below
from generator.notebook.text_formats import as_notebook, executed_name, is_notebook_name
from generator.runner.document.document import read_document
from generator.runner.document.saving import Saver, file_writer
from generator.runner.execution.execution import Start, execute
from generator.runner.execution.html import write_page_after
from generator.runner.execution.recording import recorded_run
from generator.runner.execution.task import ProgressOutput, Task
from generator.runner.execution.watching import ignore_signals, limited_writing
from generator.runner.kernels.specs import Kernel, choose_kernel, find_kernels
from generator.runner.packaged.home import prepare_home
from generator.runner.packaged.in_place import NotebookFolder, prepare_own_home
from generator.runner.packaged.kept_copy import KeptCopy, KeptHome
from generator.runner.packaged.network import advise_on_network, advise_script_on_network
from generator.runner.packaged.output_object import write_output_object
from generator.runner.packaged.outputs import Found, check_outputs, find_outputs
from generator.runner.packaged.placeholders import placeholder_paths
from generator.runner.packaged.platform_inputs import process_inputs
from generator.runner.packaged.process_limit import advise_on_processes
from generator.runner.packaged.result_catalog import require_catalogs, write_result_catalog
from generator.runner.packaged.script import run_script
from generator.runner.packaged.script_outputs import move_to_declared_places
from generator.runner.packaged.tidying import tidy
from generator.runner.packaged.values import notebook_values, read_inputs, script_values
from generator.runner.packaged.workspace import RepositoryLocation, Workspace, locate_repository
from generator.runner.results.result import RunRecord
from generator.runner.results.scraps import Scraps
from generator.shared import contract
from generator.shared.errors import PackmillError
from generator.shared.failures import (
    BadInputsError,
    OutputLimitError,
    ProcessFailedError,
    ProcessMissingError,
)
from generator.shared.json_text import json_text
from generator.shared.path_templates import render_path_inside
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


def run(request: PackagedRun) -> None:
    """Run the process.

    Raises:
        RunFailedError: the run failed; files written before the failure are in the output directory.
    """
    if request.catalog:
        require_catalogs()
    given = read_inputs(request.inputs) if request.inputs else {}
    inputs = process_inputs(given, staged=request.staged, plain=request.plain)
    place = locate_repository(request.repository)
    place.variables.restore(os.environ)
    process = find_process(request.process, place)
    request.output.mkdir(parents=True, exist_ok=True)
    output = request.output.resolve()
    record = RunRecord(process=process, scraps=Scraps(output))
    with recorded_run(record, output, time_limit=request.time_limit, outputs=_written):
        _run(request, inputs, place, output, record)


def _written(output: Path) -> Iterator[Path]:
    return (path for path in output.rglob("*") if path != output / contract.result_file)


@dataclass(kw_only=True, slots=True)
class _Run:
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


def _run(
    request: PackagedRun, inputs: dict[str, Any], place: RepositoryLocation, output: Path, record: RunRecord
) -> None:
    kept, kept_home = (None, None) if request.in_place else (request.kept_copy, request.kept_home)
    with _homes(place.home, kept_home, in_place=request.in_place) as homes, _scratch_folder(kept) as scratch:
        workspace: Workspace | NotebookFolder = Workspace(top=scratch / "repository", process=record.process)
        if request.in_place:
            workspace = NotebookFolder(top=place.folder, process=record.process)
        one = _Run(
            request=request,
            inputs=inputs,
            place=place,
            workspace=workspace,
            scratch=scratch,
            output=output,
            record=record,
            outputs=request.declared,
        )
        try:
            with limited_writing(request.write_limits, (output, scratch, homes)):
                (_run_notebook if is_notebook_name(record.process) else _run_shell)(one)
        except OutputLimitError:
            one.workspace = Workspace(top=scratch / "discarded", process=record.process)
            _discard(one)
            raise
        finally:
            ignore_signals()
            found = _collect(one)
            if kept is not None and isinstance(workspace, Workspace):
                workspace.leave_to(kept)
        for warning in check_outputs(found, dict(request.expected), output):
            request.say(f"warning: {warning}")
        if request.catalog:
            write_result_catalog(output, name=request.catalog, time=record.started, say=request.say)


def _discard(run: _Run) -> None:
    """Remove what a run beyond its limits wrote, but for the executed notebook."""
    own = {run.executed, run.executed.with_suffix(".html")} if run.executed else set[Path]()
    for path in run.output.rglob("*"):
        if path not in own and (path.is_symlink() or not path.is_dir()):
            path.unlink()


def _collect(run: _Run) -> tuple[Found, ...]:
    """Move all results to the output directory, make them fit for delivery, and list the declared outputs."""
    output = run.output
    reserved = (contract.result_file,)
    warnings = [*run.workspace.collect(output, reserved=reserved), *tidy(output)]
    if not run.record.process.endswith(".ipynb"):
        warnings += move_to_declared_places(run.outputs, output, reserved=reserved)
    for warning in warnings:
        run.request.say(f"warning: {warning}")
    own = {contract.result_file, contract.scraps_file, *run.record.scraps.files}
    if run.executed is not None:
        own |= {path.relative_to(output).as_posix() for path in (run.executed, run.executed.with_suffix(".html"))}
    found = find_outputs(run.outputs, output, own=own)
    if run.request.catalog:
        is_scattered = run.request.all_outputs
        write_output_object(found if is_scattered else (), output, is_one_of_many=is_scattered)
    elif run.executed is not None or run.outputs:
        write_output_object(found, output, executed=run.executed, scraps=run.record.scraps)
    return found


def find_process(process: str, place: RepositoryLocation) -> str:
    """Return the process's posix path relative to the repository's top.

    Raises:
        ProcessMissingError: the path is not a file of the repository.
    """
    relative = posixpath.normpath(process)
    path = place.folder / relative
    if relative.startswith(("..", "/")) or not path.is_file():
        raise ProcessMissingError(f"{process}: not found in the image's repository {place.folder}")
    return relative


def load_notebook(
    process: str, place: RepositoryLocation, choices: Choices = no_choices
) -> tuple[bytes, Notebook, Interface]:
    """Read a notebook: its bytes as nbformat, its content and its interface.

    Raises:
        ProcessMissingError: the notebook cannot be read or is invalid.
    """
    try:
        data = as_notebook((place.folder / process).read_bytes(), process)
        data = choices.apply(data, process)
        notebook = read_notebook(data, process)
        folder = posixpath.dirname(process)
        is_folder = folders_below(place.folder, folder)
        return (
            data,
            notebook,
            read_interface(notebook, folder=folder, is_folder=is_folder, sidecar=sidecar_of(place.folder, process)),
        )
    except (OSError, PackmillError) as error:
        raise ProcessMissingError(str(error)) from None


def _run_notebook(run: _Run) -> None:
    request, workspace, record = run.request, run.workspace, run.record
    data, notebook, interface = load_notebook(workspace.process, run.place, request.choices)
    language = notebook.language or "python"
    template = run.inputs.pop(contract.template_input, None) or request.template
    folder = run.place.folder / workspace.folder
    parameters = notebook_values(run.inputs, interface, language=notebook.parameters_language, folder=folder)
    secret = tuple(one.name for one in interface.inputs if one.hint.secret)
    executed = run.output / executed_name(workspace.process)
    if template:
        public = {name: value for name, value in parameters.items() if name not in secret}
        executed = _choose_notebook_path(run, template, public, interface)
    run.outputs, run.executed, record.notebooks = interface.outputs, executed, [executed]
    name = request.kernel or notebook.kernel
    kernel, warning = choose_kernel(request.kernels(os.environ), name=name, language=language)
    if warning:
        request.say(f"warning: {warning}")
    globs = [pattern for _, pattern in request.expected] + [one.glob for one in interface.outputs]
    workspace.fill(run.place, written=globs, left_out=request.left_out, kept=request.kept_copy)
    document = read_document(data, workspace.process)
    kernelspec = document.metadata.setdefault("kernelspec", {})
    kernelspec.update(name=kernel.name, language=kernel.language)
    kernelspec.setdefault("display_name", kernel.name)
    often: dict[str, Any] = {} if request.save_while_running else {"at_least": None}
    task = Task(
        saver=Saver(document, file_writer(executed), folder=executed.parent, at_start=request.save_at_start, **often),
        input_path=workspace.process,
        output_path=str(executed.relative_to(run.output)),
        kernel=kernel,
        language=notebook.language or kernel.language or language,
        parameters=parameters,
        directory=workspace.directory,
        placement=interface.placement,
        secret=secret,
        **request.execution,
    )
    record.kernel = kernel.name
    console = ProgressOutput(request.say, cells=request.show_cells, on_cell=request.on_cell)
    page = file_writer(executed.with_suffix(".html")) if request.html else None
    try:
        with placeholder_paths(interface, run.output) as paths, write_page_after(task, page, console):
            execute(replace(task, parameters={**parameters, **paths}), record, console, start=request.start)
    except ProcessFailedError as error:
        advice = advise_on_network(str(error), document) + advise_on_processes(str(error))
        raise ProcessFailedError(f"{error}{advice}") from None
    finally:
        record.scraps.write()


def _choose_notebook_path(run: _Run, template: Any, parameters: Mapping[str, Any], interface: Interface) -> Path:
    """Return the path of the executed notebook from a template.

    Raises:
        BadInputsError: the template is not a string, or its path collides with another output.
    """
    if not isinstance(template, str):
        raise BadInputsError(f"{contract.template_input}: {template!r} is not a string")
    path = render_path_inside(
        template,
        notebook=run.workspace.process,
        time=run.record.started,
        parameters=parameters,
        args=run.request.template_args,
    )
    taken = {
        contract.result_file,
        contract.scraps_file,
        contract.scraps_folder,
        *(one.glob.split("/")[0] for one in interface.outputs),
    }
    if path.split("/")[0] in taken:
        raise BadInputsError(
            f"{contract.template_input}: {path!r} collides with {path.split('/')[0]!r}; choose another folder"
        )
    executed = run.output / path
    executed.parent.mkdir(parents=True, exist_ok=True)
    return executed


def _run_shell(run: _Run) -> None:
    """Run a script with the path of the input object as its first argument, as in the original system."""
    workspace, inputs = run.workspace, run.request.inputs
    globs = [pattern for _, pattern in run.request.expected] + [one.glob for one in run.outputs]
    workspace.fill(run.place, written=globs, left_out=run.request.left_out, kept=run.request.kept_copy)
    has_other_names = any(parameter_name(name) != name for name in run.inputs)
    if run.request.paths or (inputs and (has_other_names or run.inputs != read_inputs(inputs, absolute=False))):
        inputs = run.scratch / contract.inputs_file
        inputs.write_bytes(json_text(script_values(run.inputs, dict(run.request.paths))))
    script = workspace.directory / posixpath.basename(workspace.process)
    command = [str(script)] if os.access(script, os.X_OK) else ["bash", str(script)]
    given = [str(inputs.resolve())] if inputs else []
    try:
        code = run_script([*command, *given], workspace.directory)
    except OSError as error:
        raise ProcessFailedError(f"{workspace.process}: cannot be started: {error}") from None
    if code != 0:
        how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        source = script.read_text(encoding="utf-8", errors="replace") if script.is_file() else ""
        raise ProcessFailedError(f"{workspace.process} {how}{advise_script_on_network(source)}")


@contextmanager
def _scratch_folder(kept: KeptCopy | None) -> Iterator[Path]:
    """Yield a folder for the working copy, on the file system of the results, so that they can be moved cheaply.

    It is temporary, in the working directory, unless the process keeps its copy for the next run.
    """
    if kept is not None:
        yield kept.folder
        return
    scratch = Path(tempfile.mkdtemp(prefix=".packmill-", dir=Path.cwd()))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _homes(image_home: Path | None, kept: KeptHome | None, *, in_place: bool) -> Iterator[Path]:
    """Set HOME and the caches of programs to a folder in TMPDIR, so that results stay clean; yield it.

    A run ``in_place`` keeps the user's.
    """
    homes = (kept.take() if kept else None) or Path(tempfile.mkdtemp(prefix="packmill-"))
    if in_place:
        prepare_own_home(homes, os.environ)
    else:
        prepare_home(homes, image_home, os.environ)
    try:
        yield homes
    finally:
        if not (kept and kept.keep(homes)):
            shutil.rmtree(homes, ignore_errors=True)
