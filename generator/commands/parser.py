"""The parts that the parsers of all commands share."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Protocol

from generator.shared import contract, errors

_LINE = 118


def exit_codes() -> str:
    """Return the exit codes of all commands with their words, for the end of a help text."""
    lines = [""]
    for code, words in errors.exit_codes.items():
        entry = f"{code} {words}"
        if len(lines[-1]) + len(entry) + 3 > _LINE:
            lines.append("")
        lines[-1] += f"   {entry}" if lines[-1] else f"  {entry}"
    return "\n".join(["exit codes:", *lines])


_COLUMNS = 80
"""The width without a terminal."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Formats help with the line breaks of descriptions, as wide as the terminal.

    argparse makes a formatter for each option that is added, and imports ``shutil`` to learn the width, which takes a
    twentieth of ``packmill inspect``.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    """Return the width of the terminal like `shutil.get_terminal_size`."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


class Commands(Protocol):
    """The return value of ``add_subparsers``."""

    def add_parser(self, name: str, **options: object) -> argparse.ArgumentParser:
        """Add a parser for one command."""


def command(commands: Commands, name: str, brief: str, text: str) -> argparse.ArgumentParser:
    """Return a parser for a command, with the exit codes at the end of its help."""
    return commands.add_parser(name, help=brief, description=text, epilog=exit_codes(), formatter_class=HelpFormatter)


def add_resources(parser: argparse.ArgumentParser) -> None:
    """Add the options for the resources of a run."""
    group = parser.add_argument_group(
        "resources of a run", "instead of those in the notebook's metadata cell or its algorithm_config.yml"
    )
    group.add_argument("--cores", metavar="N", help="processor cores (default: 1)")
    group.add_argument("--ram", metavar="SIZE", help="memory, in MiB or such as 8GB (default: 2048)")
    group.add_argument("--disk", metavar="SIZE", help="disk space, in MiB or such as 50GB (default: 1024)")
    group.add_argument("--time", metavar="TIME", help="time limit, in seconds or such as 1h30m (default: none)")
    group.add_argument("--gpu", metavar="N", help="GPUs with CUDA (default: none)")


def add_parameters_cell(parser: argparse.ArgumentParser) -> None:
    """Add the option for the cell with the parameters."""
    parser.add_argument(
        contract.parameters_cell_option,
        metavar="N",
        help="number of the notebook's cell with the parameters, from 1 (default: the tagged cell)",
    )


def add_kernel(parser: argparse.ArgumentParser) -> None:
    """Add the options for a kernel and a language instead of those that the notebook names."""
    parser.add_argument(
        contract.kernel_option,
        metavar="NAME",
        help="kernel that runs the notebook, by its name in the image (default: the notebook's)",
    )
    parser.add_argument(
        contract.language_option, metavar="NAME", help="language of the notebook's code (default: the notebook's)"
    )


def requested_resources(options: argparse.Namespace) -> dict[str, str | None]:
    """Return the values of the options that `add_resources` adds, by their names."""
    return {name: getattr(options, name) for name in ("cores", "ram", "disk", "time", "gpu")}


def add_repository(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for a repository and its checkout."""
    parser.add_argument("repository", metavar="REPOSITORY", help="https, ssh or file URL, or a local path")
    parser.add_argument("--checkout", metavar="NAME", help="branch, tag or commit (default: the default branch)")
    parser.add_argument("--no-submodules", action="store_true", help="leave the folders of git submodules empty")
