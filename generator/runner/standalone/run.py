"""``packmill-runner run IN OUT``: a notebook from anywhere to anywhere, with papermill's options and their meaning."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from generator.notebook.choices import name_kernel
from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.languages import reader_of
from generator.notebook.notebook import Notebook, read_notebook
from generator.notebook.requested_cell import tag_parameters_cell
from generator.notebook.text_formats import as_notebook, executed_name, is_text_name
from generator.runner.document.document import read_document
from generator.runner.document.saving import Saver, is_file_or_nothing
from generator.runner.execution.execution import execute
from generator.runner.execution.html import write_page_after
from generator.runner.execution.recording import recorded_run
from generator.runner.execution.task import ProgressOutput, Task
from generator.runner.execution.watching import ignore_signals
from generator.runner.kernels.specs import Kernel, choose_kernel, find_kernels
from generator.runner.output_template import OutputTemplate
from generator.runner.results.folder import prepare_folder
from generator.runner.results.result import RunRecord
from generator.runner.results.scraps import Scraps
from generator.runner.standalone import addresses
from generator.runner.standalone.other_engines import run_with_papermill
from generator.runner.standalone.parameters import ParameterOptions, fill_path, fit_parameters, read_parameters
from generator.shared import contract
from generator.shared.errors import NotebookError, PackmillError
from generator.shared.failures import BadInputsError, ProcessMissingError
from generator.shared.masking import mask
from generator.shared.path_templates import render_path

_REMOTE_SAVES = 30.0
"""Seconds between two saves to a remote address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StandaloneRun:
    """The options of ``run IN OUT``, in papermill's form."""

    notebook: str
    output: str | None
    given: ParameterOptions = field(default_factory=ParameterOptions)
    template: OutputTemplate = field(default_factory=OutputTemplate)
    inject_input_path: bool = False
    inject_output_path: bool = False
    allow_unknown: bool = False
    kernel: str | None = None
    parameters_cell: int | None = None
    """The number of the cell with the parameters, from 1, instead of the tagged one."""
    language: str | None = None
    engine: str | None = None
    cwd: str | None = None
    results: Path | None = None
    html: bool = False
    save_while_running: bool = True
    stdout_file: str | None = None
    stderr_file: str | None = None
    show_cells: bool = True
    say: Callable[[str], None] = print
    time_limit: float | None = None
    execution: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Task` that come directly from options."""


def run(request: StandaloneRun) -> None:
    """Run the notebook.

    Raises:
        RunFailedError: the run failed; the executed notebook is saved nevertheless.
    """
    record = RunRecord(process=addresses.redact_address(request.notebook), scraps=Scraps(request.results))
    if request.results:
        prepare_folder(request.results)
    outputs = partial(_outputs, record=record)
    with recorded_run(record, request.results, time_limit=request.time_limit, outputs=outputs):
        try:
            _run(request, record)
        except BaseException:
            ignore_signals()
            with suppress(OSError):  # on a full disk
                record.scraps.write()
            raise
        ignore_signals()
        record.scraps.write()


def _run(request: StandaloneRun, record: RunRecord) -> None:
    values = read_parameters(request.given, path_values(request))
    input_path = fill_path(request.notebook, values)
    _check_text_notebook(input_path, request)
    data = _read_data(input_path, request.parameters_cell)
    notebook, understood = _read_interface(data, input_path, request)
    interface = understood or Interface()
    any_name = request.allow_unknown or understood is None
    folder = Path(request.cwd or ".")
    values = fit_parameters(values, request.given, interface, notebook, allow_unknown=any_name, folder=folder)
    if values and not any_name and reader_of(notebook.parameters_language) is None:
        what = f"parameters of the language {notebook.parameters_language!r} cannot be read"
        request.say(f"warning: {what}: names and types are not checked")
    secret = tuple(one.name for one in interface.inputs if one.hint.secret)
    output_path = _output_path(request, values, interface, input_path, record.started)
    if request.engine not in (None, "packmill"):
        if request.parameters_cell is not None:
            raise BadInputsError(f"--parameters-cell: not supported by --engine {request.engine}")
        if interface.placement is not None:
            raise BadInputsError(
                f"{input_path}: --engine {request.engine} does not know the conventions of this notebook "
                "(see 'Notebooks of other tools' in the reference); use packmill's own engine"
            )
        _run_by_engine(request, values, secret, (input_path, output_path), record)
        return
    if secret:
        input_path = fill_path(request.notebook, {**values, **dict.fromkeys(secret, mask)})
    language = request.language or notebook.language or "python"
    kernel = _choose_kernel(request, notebook, language)
    record.kernel = kernel.name
    if not addresses.is_remote(output_path) and output_path != addresses.PIPE:
        record.notebooks.append(addresses.local_path(output_path).absolute())
    with ExitStack() as files:
        saver = _saver(request, data, input_path, output_path)
        task = Task(
            saver=saver,
            input_path=input_path,
            output_path=output_path,
            kernel=kernel,
            language=request.language or notebook.language or kernel.language or language,
            parameters=values,
            directory=_directory(request.cwd),
            placement=interface.placement,
            secret=secret,
            stdout=_open_output(request.stdout_file, files),
            stderr=_open_output(request.stderr_file, files),
            **request.execution,
        )
        console = ProgressOutput(request.say, cells=request.show_cells)
        with write_page_after(task, addresses.writer(_page_address(output_path)) if request.html else None, console):
            execute(task, record, console)


def _check_text_notebook(input_path: str, request: StandaloneRun) -> None:
    """Refuse what would replace a text notebook by JSON, and engines that read it themselves.

    Raises:
        BadInputsError: an option does not go together with a text notebook.
    """
    if request.output and is_text_name(request.output):
        raise BadInputsError(
            f"{addresses.redact_address(request.output)}: the executed notebook is an .ipynb; "
            f"write OUT as {executed_name(request.output)}"
        )
    if request.engine not in (None, "packmill") and is_text_name(input_path):
        name = addresses.redact_address(input_path)
        raise BadInputsError(
            f"{name}: --engine {request.engine} does not read text notebooks; use packmill's own engine"
        )


def _run_by_engine(
    request: StandaloneRun, values: Mapping[str, Any], secret: Sequence[str], paths: tuple[str, str], record: RunRecord
) -> None:
    """Run the notebook by an engine registered with papermill.

    Raises:
        BadInputsError: an option, a secret or a date is not supported by papermill's engines.
    """
    moments = [name for name, value in values.items() if isinstance(value, date)]
    if secret or moments or request.html:
        what = f"the secret {secret[0]!r}" if secret else f"the date {moments[0]!r}" if moments else "--html"
        raise BadInputsError(f"{what}: not supported by --engine {request.engine}; use packmill's own engine")
    input_path, output_path = paths
    with ExitStack() as files:
        options = {
            "engine_name": request.engine,
            "kernel_name": request.kernel,
            "language": request.language,
            "request_save_on_cell_execute": request.save_while_running and output_path != addresses.PIPE,
            "cwd": request.cwd,
            "stdout_file": _open_output(request.stdout_file, files),
            "stderr_file": _open_output(request.stderr_file, files),
        }
        unformatted = {"input_path": _escape_braces(input_path), "output_path": _escape_braces(output_path)}
        run_with_papermill(unformatted, values, options, request.execution, record)


def _outputs(results: Path, record: RunRecord) -> list[Path]:
    return [results / name for name in (contract.scraps_file, *record.scraps.files)] + list(record.notebooks)


def _escape_braces(path: str) -> str:
    """Escape a path so that papermill's formatting does not change it."""
    return path.replace("{", "{{").replace("}", "}}")


def _choose_kernel(request: StandaloneRun, notebook: Notebook, language: str) -> Kernel:
    """Choose the requested kernel, else the notebook's or one of its language; preparing needs none."""
    name = request.kernel or notebook.kernel
    if request.execution.get("prepare_only"):
        return Kernel(name or "python3", language, (), Path())
    exact = request.kernel is not None
    kernels = find_kernels(os.environ)
    kernel, warning = choose_kernel(kernels, name=name, language=language, exact=exact, in_image=False)
    if warning:
        request.say(f"warning: {warning}")
    return kernel


def path_values(request: StandaloneRun) -> dict[str, Any]:
    """Return ``PAPERMILL_INPUT_PATH`` and ``PAPERMILL_OUTPUT_PATH``, if requested."""
    paths = {"PAPERMILL_INPUT_PATH": request.notebook} if request.inject_input_path else {}
    return paths | ({"PAPERMILL_OUTPUT_PATH": request.output or addresses.PIPE} if request.inject_output_path else {})


def _read_data(path: str, parameters_cell: int | None) -> bytes:
    """Read the notebook, with the tag on the requested parameters cell."""
    try:
        name = addresses.redact_address(path)
        return tag_parameters_cell(as_notebook(addresses.read(path), name), parameters_cell, name)
    except NotebookError as error:
        raise ProcessMissingError(str(error)) from None


def _read_interface(data: bytes, path: str, request: StandaloneRun) -> tuple[Notebook, Interface | None]:
    """Read the notebook and its interface; None for a parameters cell that only papermill can use."""
    try:
        name = addresses.redact_address(path)
        language = request.language and request.language.lower()
        notebook = read_notebook(name_kernel(data, request.kernel, language, name), name)
    except NotebookError as error:
        raise ProcessMissingError(str(error)) from None
    try:
        sidecar = addresses.sidecar(path)
        return notebook, read_interface(notebook, is_folder=partial(_is_folder, request.cwd), sidecar=sidecar)
    except PackmillError as error:
        if any(re.search(r"\bsecret\b", cell.source) for cell in notebook.cells_with_tag("parameters")):
            raise BadInputsError(
                f"{error}\n  the cell mentions a secret, so packmill must be able to read it"
            ) from None
        request.say(f"warning: {error}")
        return notebook, None


def _is_folder(cwd: str | None, path: str) -> bool:
    return os.path.isdir(Path(cwd or ".", path))  # noqa: PTH112 - Path.is_dir raises for a name too long


def _output_path(
    request: StandaloneRun, values: Mapping[str, Any], interface: Interface, input_path: str, time: datetime
) -> str:
    """Return the path of the executed notebook; paths never contain a secret."""
    public = interface.public(values)
    if request.output is not None:
        return fill_path(request.output, {name: public[name] for name in values if name in public})
    template = request.template.choose()
    if template is None:
        return addresses.PIPE
    path = render_path(template, notebook=input_path, time=time, parameters=public, args=request.template.args)
    if not addresses.is_remote(path):
        addresses.local_path(path).parent.mkdir(parents=True, exist_ok=True)
    request.say(f"the executed notebook is saved to {path}")
    return path


def _saver(request: StandaloneRun, data: bytes, input_path: str, output_path: str) -> Saver:
    try:
        document = read_document(data, addresses.redact_address(input_path))
    except NotebookError as error:
        raise ProcessMissingError(str(error)) from None
    write = addresses.writer(output_path)
    piped = output_path == addresses.PIPE
    if piped or addresses.is_remote(output_path):
        at_least = _REMOTE_SAVES if request.save_while_running and not piped else None
        return Saver(document, write, at_least=at_least)
    if not is_file_or_nothing(addresses.local_path(output_path)):
        return Saver(document, write, at_least=None)
    folder = addresses.local_path(output_path).resolve().parent
    if not request.save_while_running:
        return Saver(document, write, folder=folder, at_least=None)
    return Saver(document, write, folder=folder)


def _directory(cwd: str | None) -> Path:
    directory = Path(cwd or ".").resolve()
    if not directory.is_dir():
        raise BadInputsError(f"{cwd}: working directory not found")
    return directory


def _open_output(path: str | None, files: ExitStack) -> TextIO | None:
    if path is None:
        return None
    if path == "-":
        return sys.stdout
    try:
        return files.enter_context(open(path, "w", encoding="utf-8"))
    except OSError as error:
        raise BadInputsError(f"{path}: cannot be written to: {error.strerror}") from None


def _page_address(output_path: str) -> str:
    if output_path == addresses.PIPE:
        raise BadInputsError("--html: the executed notebook has no path; give OUT as a file")
    return output_path.removesuffix(".ipynb") + ".html"
