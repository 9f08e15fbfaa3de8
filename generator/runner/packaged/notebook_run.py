"""A notebook of the image is read and executed, with the values of the input object as parameters."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.notebook.choices import Choices, no_choices
from generator.notebook.dialects.sidecar import sidecar_of
from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import Notebook, read_notebook
from generator.notebook.stage_ins import folders_below
from generator.notebook.text_formats import as_notebook, executed_name
from generator.runner.document.document import Document, read_document
from generator.runner.document.saving import Saver, file_writer
from generator.runner.execution.execution import execute
from generator.runner.execution.html import write_page_after
from generator.runner.execution.task import ProgressOutput, Task
from generator.runner.kernels.specs import Kernel, choose_kernel
from generator.runner.packaged.network import advise_on_network
from generator.runner.packaged.placeholders import placeholder_paths
from generator.runner.packaged.process_limit import advise_on_processes
from generator.runner.packaged.process_run import ProcessRun
from generator.runner.packaged.repository_location import RepositoryLocation
from generator.runner.packaged.request import PackagedRun
from generator.runner.packaged.values import notebook_values
from generator.shared import contract
from generator.shared.errors import PackmillError
from generator.shared.failures import BadInputsError, ProcessFailedError, ProcessMissingError
from generator.shared.path_templates import render_path_inside


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


def run_notebook(run: ProcessRun) -> None:
    """Execute a notebook in its working copy; its scraps and itself are results.

    Raises:
        RunFailedError: an input is invalid, the notebook cannot be read, or a cell failed.
    """
    request, workspace = run.request, run.workspace
    data, notebook, interface = load_notebook(workspace.process, run.place, request.choices)
    template = run.inputs.pop(contract.template_input, None) or request.template
    folder = run.place.folder / workspace.folder
    parameters = notebook_values(run.inputs, interface, language=notebook.parameters_language, folder=folder)
    secret = tuple(one.name for one in interface.inputs if one.hint.secret)
    executed = run.output / executed_name(workspace.process)
    if template:
        executed = _choose_notebook_path(run, template, interface.public(parameters), interface)
    run.outputs, run.executed, run.record.notebooks = interface.outputs, executed, [executed]
    kernel = _choose_kernel(run, notebook)
    globs = [pattern for _, pattern in request.expected] + [one.glob for one in interface.outputs]
    workspace.fill(run.place, written=globs, left_out=request.left_out, kept=request.kept_copy)
    document = _document(data, workspace.process, kernel)
    task = Task(
        saver=_saver(document, executed, request),
        input_path=workspace.process,
        output_path=str(executed.relative_to(run.output)),
        kernel=kernel,
        language=notebook.language or kernel.language or "python",
        parameters=parameters,
        directory=workspace.directory,
        placement=interface.placement,
        secret=secret,
        **request.execution,
    )
    run.record.kernel = kernel.name
    _execute(run, task, interface, executed)


def _choose_kernel(run: ProcessRun, notebook: Notebook) -> Kernel:
    name = run.request.kernel or notebook.kernel
    language = notebook.language or "python"
    kernel, warning = choose_kernel(run.request.kernels(os.environ), name=name, language=language)
    if warning:
        run.request.say(f"warning: {warning}")
    return kernel


def _document(data: bytes, process: str, kernel: Kernel) -> Document:
    """Return the notebook with the kernel that executes it."""
    document = read_document(data, process)
    kernelspec = document.metadata.setdefault("kernelspec", {})
    kernelspec.update(name=kernel.name, language=kernel.language)
    kernelspec.setdefault("display_name", kernel.name)
    return document


def _saver(document: Document, executed: Path, request: PackagedRun) -> Saver:
    often: dict[str, Any] = {} if request.save_while_running else {"at_least": None}
    return Saver(document, file_writer(executed), folder=executed.parent, at_start=request.save_at_start, **often)


def _execute(run: ProcessRun, task: Task, interface: Interface, executed: Path) -> None:
    """Execute a task.

    Raises:
        ProcessFailedError: a cell failed; the message has advice for the faults that containers cause.
    """
    request, record = run.request, run.record
    console = ProgressOutput(request.say, cells=request.show_cells, on_cell=request.on_cell)
    page = file_writer(executed.with_suffix(".html")) if request.html else None
    try:
        with placeholder_paths(interface, run.output) as paths, write_page_after(task, page, console):
            execute(replace(task, parameters={**task.parameters, **paths}), record, console, start=request.start)
    except ProcessFailedError as error:
        advice = advise_on_network(str(error), task.document) + advise_on_processes(str(error))
        raise ProcessFailedError(f"{error}{advice}") from None
    finally:
        record.scraps.write()


def _choose_notebook_path(run: ProcessRun, template: Any, parameters: Mapping[str, Any], interface: Interface) -> Path:
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
