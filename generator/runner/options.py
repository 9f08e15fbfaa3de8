"""The options of ``packmill-runner run``: papermill's, by the same names, and those of a package's process."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from generator.shared import contract
from generator.shared.size_text import read_size

_PAIRS = {"-p": "parameters", "--parameters": "parameters", "-r": "parameters_raw"}
_PAIRS |= {"--parameters_raw": "parameters_raw", "--parameters-raw": "parameters_raw"}
_usage = """\
packmill-runner run IN OUT [-p NAME VALUE]... [OPTION]...
       packmill-runner run --process PATH --inputs FILE [OPTION]..."""
_description = """\
Runs a notebook and saves it with its outputs: any notebook, as papermill does and with papermill's options, or a
process of the image, as its CWL does.

IN and OUT are files, - for a pipe, or addresses (http, s3, gs, abs, … and all of fsspec's)."""


def size(text: str) -> int:
    """Parse a number of bytes.

    Raises:
        ArgumentTypeError: the text is not an amount.
    """
    try:
        return read_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def number_of_files(text: str) -> int:
    """Parse a number of files; 0 means no limit.

    Raises:
        ArgumentTypeError: the text is not a whole number.
    """
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def seconds(text: str) -> float | None:
    """Parse a time limit; 0 and less mean no limit, as in papermill."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not value < _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds below {_LONGEST:.0f}")
    return value if value > 0 else None


_LONGEST = 1e9


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``run`` to a parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = _usage
    parser.allow_abbrev = False
    parser.description = _description
    parser.add_argument("notebook_path", nargs="?", metavar="IN", help="the notebook to run")
    parser.add_argument("output_path", nargs="?", metavar="OUT", help="where the executed notebook goes")
    _add_parameters(parser.add_argument_group("parameters"))
    _add_execution(parser.add_argument_group("execution"))
    _add_results(parser.add_argument_group("results"))
    _add_package(parser.add_argument_group("a process of the image"))


def take_pairs(arguments: Sequence[str]) -> tuple[list[str], dict[str, list[tuple[str, str]]]]:
    """Separate ``-p NAME VALUE`` and ``-r NAME VALUE``, whose values may begin with a dash, from other arguments.

    Raises:
        ValueError: an option lacks its name or value.
    """
    left: list[str] = []
    pairs: dict[str, list[tuple[str, str]]] = {"parameters": [], "parameters_raw": []}
    words = iter(arguments)
    for word in words:
        if word == "--":
            return [*left, word, *words], pairs
        if word not in _PAIRS:
            left.append(word)
            continue
        name, value = next(words, None), next(words, None)
        if name is None or value is None:
            raise ValueError(f"{word} needs a name and a value: {word} NAME VALUE")
        pairs[_PAIRS[word]].append((name, value))
    return left, pairs


def _add_parameters(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-p",
        "--parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter; True, False, None and numbers become values, everything else text",
    )
    group.add_argument(
        "-r",
        "--parameters_raw",
        "--parameters-raw",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "TEXT"),
        help="a parameter that is always text",
    )
    for short, name, metavar, what in (
        ("-f", "file", "FILE", "parameters from a YAML or JSON file"),
        ("-y", "yaml", "YAML", "parameters as YAML"),
        ("-b", "base64", "BASE64", "parameters as YAML in base64"),
    ):
        long = (f"--parameters_{name}", f"--parameters-{name}")
        group.add_argument(short, *long, action="append", default=[], metavar=metavar, help=what)
    group.add_argument("--inject-input-path", action="store_true", help="set PAPERMILL_INPUT_PATH in the notebook")
    group.add_argument("--inject-output-path", action="store_true", help="set PAPERMILL_OUTPUT_PATH in the notebook")
    group.add_argument("--inject-paths", action="store_true", help="set both")
    group.add_argument(
        "--allow-unknown", action="store_true", help="also inject parameters that the notebook does not have"
    )
    group.add_argument("--help-notebook", action="store_true", help="show the notebook's parameters, do not run")


def _add_execution(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-k", contract.kernel_option, metavar="NAME", help="kernel to use (default: the notebook's)")
    group.add_argument(
        contract.parameters_cell_option,
        type=int,
        metavar="N",
        help="number of the cell with the parameters, from 1 (default: the tagged cell)",
    )
    group.add_argument("-l", "--language", metavar="NAME", help="language of the parameters (default: the notebook's)")
    group.add_argument("--engine", metavar="NAME", help="papermill engine, such as nbclient (default: packmill's)")
    group.add_argument("--cwd", metavar="DIRECTORY", help="working directory of the notebook (default: current)")
    group.add_argument(
        "--start-timeout",
        "--start_timeout",
        type=seconds,
        default=60,
        metavar="SECONDS",
        help="time limit for starting the kernel (default: %(default)s)",
    )
    group.add_argument(
        "--execution-timeout", type=seconds, metavar="SECONDS", help="time limit of a cell (default: no limit)"
    )
    group.add_argument("--timeout", type=seconds, metavar="SECONDS", help="time limit of the run (default: no limit)")
    group.add_argument(
        "--max-output",
        type=size,
        default=0,
        metavar="SIZE",
        help="what a run with --process may write, such as 10GB (default: no limit)",
    )
    group.add_argument(
        "--max-files",
        type=number_of_files,
        default=0,
        metavar="N",
        help="files and folders that it may write (default: no limit)",
    )
    _add_switch(group, "prepare-only", "prepare-execute", default=False, what="inject the parameters, do not run")


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        contract.template_option,
        metavar="TEMPLATE",
        help="path of the executed notebook as a jinja2 template; has args.timestamp, args.year, args.month, args.day, "
        "args.notebook_name, those of --template-arg, and the parameters",
    )
    group.add_argument("--template", metavar="NAME", help="name of a stored template for that path")
    group.add_argument(
        "--templates", metavar="FILE", help="the file of stored templates (default: $PACKMILL_TEMPLATES)"
    )
    group.add_argument(
        "--template-arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another variable args.NAME of the template",
    )
    group.add_argument(
        "--results", metavar="DIRECTORY", help="write result.json, scraps.json and scraps/ to this directory"
    )
    group.add_argument("--html", action="store_true", help="also write the executed notebook as an HTML page")
    _add_switch(group, "report-mode", "no-report-mode", default=False, what="hide the code in the executed notebook")
    _add_switch(
        group,
        "request-save-on-cell-execute",
        "no-request-save-on-cell-execute",
        default=True,
        what="save during the run, not only at the end (default)",
    )
    group.add_argument(
        "--autosave-cell-every",
        type=seconds,
        default=30,
        metavar="SECONDS",
        help="how often to save within a long cell, 0 for never (default: %(default)s)",
    )
    _add_switch(group, "progress-bar", "no-progress-bar", default=None, what="report each cell on stderr (default)")
    _add_switch(group, "log-output", "no-log-output", default=False, what="copy the notebook's outputs to stderr")
    group.add_argument("--stdout-file", metavar="FILE", help="copy what the notebook prints to a file")
    group.add_argument("--stderr-file", metavar="FILE", help="copy what the notebook prints to its stderr to a file")
    levels = ("NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    group.add_argument("--log-level", choices=levels, default="INFO", help="verbosity on stderr")


def _add_package(group: argparse._ArgumentGroup) -> None:
    add_process(group, required=False)
    group.add_argument(
        contract.inputs_option,
        metavar="FILE",
        help="JSON object with a value for each input; paths of files start at its folder",
    )
    group.add_argument(
        contract.output_option,
        default=contract.output_folder,
        metavar="DIRECTORY",
        help="where results go (default: %(default)s)",
    )
    group.add_argument(
        contract.expect_option,
        action="append",
        default=[],
        metavar="NAME=GLOB",
        help="an output that the run must write; may be given several times",
    )
    group.add_argument(
        contract.path_option,
        action="append",
        default=[],
        dest="paths",
        metavar="NAME=PATH",
        help="a file or a folder that a script gets as its path, and the path by default; may be given several times",
    )
    group.add_argument(
        contract.declare_option,
        action="append",
        default=[],
        metavar="NAME=TYPE:GLOB",
        help="an output of a script, of type File, File[], Directory, File? or Directory?; may be given several times",
    )
    _add_platform(group)


def _add_platform(group: argparse._ArgumentGroup) -> None:
    """Add the options of ``application.cwl`` and ``scatter.cwl``, whose inputs and outputs a platform stages."""
    group.add_argument(
        contract.staged_option,
        action="append",
        default=[],
        metavar="NAME=TYPE",
        help="an input given as a folder with a STAC catalog, whose files the process gets as File or File[]; "
        "may be given several times",
    )
    group.add_argument(
        contract.plain_option,
        action="append",
        default=[],
        metavar="NAME",
        help="an input given as JSON text, or as a list that is empty without a value; may be given several times",
    )
    group.add_argument(
        contract.catalog_option,
        metavar="ID",
        help="write a STAC catalog of the results to the output directory, which is then the only output",
    )
    group.add_argument(
        contract.all_outputs_option,
        action="store_true",
        help="with --catalog: the declared outputs are outputs, too, and the directory has a name of its own",
    )


def add_process(group: argparse._ArgumentGroup | argparse.ArgumentParser, *, required: bool) -> None:
    """Add the options that ``run`` and ``check`` share."""
    group.add_argument(
        contract.process_option,
        required=required,
        metavar="PATH",
        help="notebook (.ipynb, .py, .md, .qmd, .Rmd) or script (.sh), relative to the repository's top",
    )
    group.add_argument("--repository", metavar="DIRECTORY", help="folder of the repository (default: the image's)")


def _add_switch(group: argparse._ArgumentGroup, name: str, opposite: str, *, default: bool | None, what: str) -> None:
    destination = name.replace("-", "_")
    group.add_argument(f"--{name}", dest=destination, action="store_true", default=default, help=what)
    group.add_argument(f"--{opposite}", dest=destination, action="store_false", help=argparse.SUPPRESS)
