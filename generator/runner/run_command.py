"""The command ``run``: its options as a run of a process, or of a notebook from anywhere."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.runner.image_note import restore_variables
from generator.shared import contract
from generator.shared.failures import BadInputsError

if TYPE_CHECKING:
    from generator.runner.packaged.request import PackagedRun


def run_packaged(options: argparse.Namespace) -> int:
    """Run a process of the image: ``run --process``; return the exit code.

    Raises:
        RunFailedError: an option is not allowed, the output folder has results of an earlier run, or the run failed.
    """
    from generator.runner.packaged.run import run
    from generator.runner.results.folder import refuse_earlier_results

    request = packaged_run(options)
    refuse_earlier_results(request.output)
    run(request)
    return 0


def packaged_run(options: argparse.Namespace) -> PackagedRun:
    """Return the run that the options of ``run --process`` ask for.

    Raises:
        BadInputsError: an option is not allowed with ``--process``.
    """
    from generator.notebook.choices import Choices
    from generator.runner.packaged.request import PackagedRun
    from generator.shared.write_limits import WriteLimits

    refused = {
        "IN": options.notebook_path,
        "--engine": options.engine,
        "--cwd": options.cwd,
        "--results": options.results,
        "-p": options.parameters,
        "-r": options.parameters_raw,
        "-f": options.parameters_file,
        "-y": options.parameters_yaml,
        "-b": options.parameters_base64,
        "--help-notebook": options.help_notebook,
    }
    given = [name for name, value in refused.items() if value]
    if given:
        raise BadInputsError(f"{given[0]}: not allowed with --process; put values into the file of --inputs")
    template = _read_template_options(options)
    return PackagedRun(
        process=options.process,
        inputs=Path(options.inputs) if options.inputs else None,
        output=Path(options.output),
        kernel=options.kernel,
        choices=Choices(language=(options.language or "").lower(), parameters_cell=options.parameters_cell),
        repository=options.repository,
        expected=tuple(_parse_expectation(text) for text in options.expect),
        paths=tuple(_parse_assignment(text, contract.path_option) for text in options.paths),
        staged=tuple(_parse_assignment(text, contract.staged_option) for text in options.staged),
        plain=tuple(options.plain),
        catalog=options.catalog,
        all_outputs=options.all_outputs,
        write_limits=WriteLimits(size=options.max_output, files=options.max_files),
        declared=_parse_declarations(options.declare),
        template=template.choose(),
        template_args=template.args,
        **_common_options(options),
    )


def run_standalone(options: argparse.Namespace) -> int:
    """Run a notebook from anywhere: ``run IN OUT``, or describe its parameters; return the exit code.

    Raises:
        RunFailedError: an option is not allowed, or the run failed.
    """
    from generator.runner.standalone.parameters import ParameterOptions
    from generator.runner.standalone.run import StandaloneRun, run

    restore_variables(os.environ)
    for name in ("inputs", "repository", "expect", "declare", "staged", "plain", "catalog", "max_output", "max_files"):
        if getattr(options, name):
            raise BadInputsError(f"--{name.replace('_', '-')}: only allowed with --process")
    if options.paths:
        raise BadInputsError(f"{contract.path_option}: only allowed with --process")
    template = _read_template_options(options)
    notebook, output = _resolve_paths(options, templated=template.choose() is not None)
    if options.help_notebook:
        from generator.runner.standalone.notebook_help import show_parameters

        return show_parameters(notebook, options.parameters_cell)
    piped = output == "-"
    run(
        StandaloneRun(
            notebook=notebook,
            output=output,
            given=ParameterOptions(
                base64=tuple(options.parameters_base64),
                files=tuple(options.parameters_file),
                yaml=tuple(options.parameters_yaml),
                words=tuple(map(tuple, options.parameters)),
                raw=tuple(map(tuple, options.parameters_raw)),
            ),
            template=template,
            inject_input_path=options.inject_input_path or options.inject_paths,
            inject_output_path=options.inject_output_path or options.inject_paths,
            allow_unknown=options.allow_unknown,
            language=options.language,
            kernel=options.kernel,
            parameters_cell=options.parameters_cell,
            engine=options.engine,
            cwd=options.cwd,
            results=Path(options.results) if options.results else None,
            stdout_file=options.stdout_file,
            stderr_file=options.stderr_file,
            **_common_options(options, quiet=piped and options.log_level == "INFO"),
        )
    )
    return 0


def _resolve_paths(options: argparse.Namespace, *, templated: bool) -> tuple[str, str | None]:
    """Return input and output as papermill does: a connected pipe replaces a missing path."""
    notebook, output = options.notebook_path, options.output_path
    input_piped = stat.S_ISFIFO(os.fstat(0).st_mode) if _is_open(0) else False
    if input_piped and notebook and not output and not templated and not options.help_notebook:
        return "-", notebook
    if notebook is None and not input_piped:
        raise BadInputsError("IN is missing: packmill-runner run IN.ipynb OUT.ipynb, or --process PATH")
    if output is None and not templated and sys.stdout.isatty() and not options.help_notebook:
        raise BadInputsError("OUT is missing: packmill-runner run IN.ipynb OUT.ipynb, or - to print the notebook")
    return notebook or "-", output if output or templated else "-"


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _common_options(options: argparse.Namespace, *, quiet: bool = False) -> dict[str, Any]:
    reports = not quiet and options.log_level in ("NOTSET", "DEBUG", "INFO")
    show_cells = options.progress_bar if options.progress_bar is not None else not options.log_output
    return {
        "html": options.html,
        "save_while_running": options.request_save_on_cell_execute,
        "say": say if reports else _say_warnings if options.log_level == "WARNING" else _discard,
        "show_cells": show_cells,
        "time_limit": options.timeout,
        "execution": {
            "prepare_only": options.prepare_only,
            "report_mode": options.report_mode,
            "cell_time_limit": options.execution_timeout,
            "start_timeout": options.start_timeout or 60.0,
            "autosave": options.autosave_cell_every or 0.0,
            "log_output": options.log_output,
        },
    }


def say(line: str) -> None:
    """Print a line of progress to stderr; a closed stderr does not end the run."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def _say_warnings(line: str) -> None:
    if line.startswith("warning: "):
        say(line)


def _discard(_line: str) -> None:
    pass


def _read_template_options(options: argparse.Namespace) -> Any:
    """Return the output template that the options choose; import the store only when it is used."""
    from generator.runner.output_template import OutputTemplate

    store = None
    if options.templates or os.environ.get("PACKMILL_TEMPLATES"):
        from generator.runner.template_store import find_store

        store = find_store(options.templates, os.environ)
    args = dict(_parse_assignment(text, "--template-arg") for text in options.template_arg)
    return OutputTemplate(text=options.output_template, name=options.template, store=store, args=args)


def _parse_assignment(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise BadInputsError(f"{option} {text!r}: write it as NAME=VALUE")
    return name, value


def _parse_expectation(text: str) -> tuple[str, str]:
    name, pattern = _parse_assignment(text, contract.expect_option)
    if not pattern or pattern.startswith("/"):
        raise BadInputsError(f"--expect {text!r}: the pattern is relative to the output directory")
    return name, pattern


def _parse_declarations(texts: Sequence[str]) -> Any:
    from generator.notebook.declarations import parse_declaration

    try:
        return tuple(parse_declaration(text) for text in texts)
    except ValueError as error:
        raise BadInputsError(f"{contract.declare_option} {error}") from None
