"""``packmill inspect``: the interface of a process."""

from __future__ import annotations

import argparse
import os
from typing import Any

from generator.commands.parser import (
    Commands,
    add_kernel,
    add_parameters_cell,
    add_repository,
    add_resources,
    command,
    requested_resources,
)


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Shows the interface that the notebook's parameters cell declares: name, type, default and doc of every input and
output; the metadata and the resources that the notebook and its repository state, with the source of each; and every
warning. Starts no engine and runs nothing. A local folder is read as is, without git, unless --checkout is given."""
    parser = command(commands, "inspect", "show the interface of a process", text)
    add_repository(parser)
    parser.add_argument(
        "--process", default="process.ipynb", metavar="PATH", help="notebook or shell script (default: %(default)s)"
    )
    add_parameters_cell(parser)
    add_kernel(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_resources(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    described = execute(options)
    if options.json:
        from generator.shared.safe_text import json_for_terminal

        print(json_for_terminal(described))
    else:
        from generator.build.inspect import table

        print(table(described))
    return 0


def execute(options: argparse.Namespace) -> dict[str, Any]:
    """Return the object that ``--json`` prints."""
    from generator.build.inspect import inspect
    from generator.request.build import build_request

    request = build_request(
        options.repository,
        checkout=options.checkout,
        processes=(options.process,),
        submodules=not options.no_submodules,
        resources=requested_resources(options),
        parameters_cell=options.parameters_cell,
        kernel=options.kernel,
        language=options.language,
    )
    return inspect(request, os.environ)
