"""The runner's command line: the contract with the generated CWL, and papermill's options."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import fill
from typing import Any

from generator.runner.image_note import restore_variables
from generator.runner.options import add_process, add_run, take_pairs
from generator.shared import contract
from generator.shared.failures import BadInputsError, RunFailedError
from generator.staging.options import add_stage_in, add_stage_out

_exit_codes = (
    "exit codes: 0 done, 1 a cell failed, 2 inputs that do not fit, 3 process missing, 4 no kernel, "
    "5 kernel died, 6 output missing, 7 out of memory, 8 cell time limit, 9 run time limit, 10 disk full, "
    "11 the notebook's own statusCode, 12 staging failed, 130 and 143 interrupted"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of the runner and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    if words[:1] == ["-C"] and len(words) > 1:  # from packmill-launch
        try:
            os.chdir(words[1])
        except OSError as error:
            parser.error(f"-C {words[1]}: {error.strerror}")
        words = words[2:]
    pairs: dict[str, list[tuple[str, str]]] = {}
    if words[:1] == ["run"]:
        try:
            words, pairs = take_pairs(words)
        except ValueError as error:
            parser.error(str(error))
    options = parser.parse_args(words)
    for name, values in pairs.items():
        setattr(options, name, values)
    try:
        staging = words[:1] in (["stage-in"], ["stage-out"])
        code: int = options.command(options, _say) if staging else options.command(options)
    except RunFailedError as error:
        _say(f"packmill-runner: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("packmill-runner: interrupted")
        return 130
    except OSError as error:
        if error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _say(f"packmill-runner: {where}{error.strerror}")
        return BadInputsError.exit_code
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="packmill-runner",
        description="Runs notebooks, and the notebooks and shell scripts of an image that packmill built.",
        epilog=_exit_codes,
    )
    parser.add_argument("--version", action="store_true", help="show the versions of packmill and papermill")
    parser.set_defaults(command=_version)
    commands = parser.add_subparsers(metavar="COMMAND")
    run = commands.add_parser("run", help="run a notebook or a process of the image", epilog=fill(_exit_codes, 100))
    add_run(run)
    run.add_argument("--version", action="store_true", help=argparse.SUPPRESS)
    run.set_defaults(command=_run)
    check = commands.add_parser(
        "check",
        help="prove that a process can run here",
        description="Finds the process, its kernel and a way to inject parameters, and starts the kernel once. "
        "Prints a JSON object.",
    )
    add_process(check, required=False)
    check.add_argument("--contents", action="store_true", help="print the image's packages and lock files instead")
    # prints the words that follow and exits with 42, to test the image's start script
    check.add_argument("--launch", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    check.add_argument(contract.kernel_option, metavar="NAME", help="kernel to use (default: the notebook's)")
    check.add_argument(
        contract.import_option,
        action="store_true",
        dest="execute_imports",
        help="import the notebook's modules, which runs their code",
    )
    check.add_argument(
        contract.declared_in_option,
        default="",
        metavar="FILE",
        help="the file that declares the environment's packages, for advice on missing modules",
    )
    check.set_defaults(command=_check)
    add_stage_in(commands.add_parser("stage-in", help="fetch files from anywhere"))
    add_stage_out(commands.add_parser("stage-out", help="upload results to their destination"))
    _add_template(commands.add_parser("template", help="manage output templates by name"))
    return parser


def _add_template(parser: argparse.ArgumentParser) -> None:
    parser.description = "Lists, writes and removes the stored templates of executed notebooks' paths."
    parser.add_argument("action", choices=("list", "show", "set", "delete"))
    parser.add_argument("name", nargs="?", help="the template's name")
    parser.add_argument("content", nargs="?", help="its text, for set")
    parser.add_argument("--default", action="store_true", help="use it in runs that name no template")
    parser.add_argument(
        "--templates", metavar="FILE", help="the file of stored templates (default: $PACKMILL_TEMPLATES)"
    )
    parser.set_defaults(command=_template)


def _version(options: argparse.Namespace) -> int:
    if not options.version:
        _parser().error("COMMAND is missing; choose run, check, stage-in, stage-out or template")
    from importlib.metadata import PackageNotFoundError, version

    from generator import __version__

    try:
        papermill = version("papermill")
    except PackageNotFoundError:
        papermill = "none"
    print(f"packmill-runner {__version__}, papermill {papermill}, Python {sys.version.split()[0]}")
    return 0


def _run(options: argparse.Namespace) -> int:
    if options.version:
        return _version(options)
    if options.process is not None:
        return _run_packaged(options)
    return _run_standalone(options)


def _run_packaged(options: argparse.Namespace) -> int:
    from generator.runner.packaged.run import PackagedRun, run

    refused = {
        "IN": options.notebook_path,
        "--engine": options.engine,
        "--language": options.language,
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
    run(
        PackagedRun(
            process=options.process,
            inputs=Path(options.inputs) if options.inputs else None,
            output=Path(options.output),
            kernel=options.kernel,
            repository=options.repository,
            expected=tuple(_parse_expectation(text) for text in options.expect),
            paths=tuple(_parse_assignment(text, contract.path_option) for text in options.paths),
            declared=_parse_declarations(options.declare),
            template=template.choose(),
            template_args=template.args,
            **_common_options(options),
        )
    )
    return 0


def _run_standalone(options: argparse.Namespace) -> int:
    from generator.runner.standalone.parameters import ParameterOptions
    from generator.runner.standalone.run import StandaloneRun, run

    restore_variables(os.environ)
    for name in ("inputs", "repository", "expect", "declare"):
        if getattr(options, name):
            raise BadInputsError(f"--{name}: only allowed with --process")
    if options.paths:
        raise BadInputsError(f"{contract.path_option}: only allowed with --process")
    template = _read_template_options(options)
    notebook, output = _resolve_paths(options, templated=template.choose() is not None)
    if options.help_notebook:
        from generator.runner.standalone.notebook_help import show_parameters

        return show_parameters(notebook)
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
        "say": _say if reports else _say_warnings if options.log_level == "WARNING" else _discard,
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


def _say(line: str) -> None:
    """Print a line of progress to stderr; a closed stderr does not end the run."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def _say_warnings(line: str) -> None:
    if line.startswith("warning: "):
        _say(line)


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


def _check(options: argparse.Namespace) -> int:
    from generator.runner.check.check import Check, check, describe_image

    if options.contents:
        print(json.dumps(describe_image()))
        return 0
    if options.launch is not None:
        print(json.dumps({"launch": options.launch}))
        return 42
    if not options.process:
        raise BadInputsError("check: --process PATH or --contents is missing")
    request = Check(
        process=options.process,
        kernel=options.kernel,
        repository=options.repository,
        execute_imports=options.execute_imports,
        declared_in=options.declared_in,
    )
    print(json.dumps(check(request)))
    return 0


def _template(options: argparse.Namespace) -> int:
    from generator.runner.template_store import find_store

    store = find_store(options.templates, os.environ)
    if store is None:
        raise BadInputsError("template: no file of templates; set --templates FILE or PACKMILL_TEMPLATES")
    if options.action != "list" and not options.name:
        raise BadInputsError(f"template {options.action}: NAME is missing")
    if options.action == "list":
        for one in store.all():
            print(f"{one.name}{' (default)' if one.default else ''}: {one.content}")
    elif options.action == "show":
        print(store.get(options.name).content)
    elif options.action == "set":
        if options.content is None:
            raise BadInputsError("template set: the text is missing; write NAME TEXT")
        store.put(options.name, options.content, default=options.default)
    else:
        store.delete(options.name)
    return 0
