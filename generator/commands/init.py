"""``packmill init``: tag the parameters cell of a notebook and add the types that its values show."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from generator.commands.parser import Commands, add_parameters_cell, command

if TYPE_CHECKING:
    from generator.process.annotation.plan import Plan


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Prepares a notebook: adds the tag 'parameters' to the first cell that sets plain values, and a '# type:' comment to each
of its parameters whose value, name or use shows the type. Prints the changes and writes nothing; --yes writes them.
Each type is an insertion that was checked by reading the cell again; every other byte of the file stays as it is, and
a second run changes nothing. The notebook is an .ipynb of nbformat 4."""
    parser = command(commands, "init", "tag the parameters cell of a notebook and add types", text)
    parser.add_argument(
        "notebook",
        type=Path,
        nargs="?",
        default=Path("process.ipynb"),
        metavar="NOTEBOOK",
        help="notebook, or a folder with process.ipynb (default: %(default)s)",
    )
    add_parameters_cell(parser)
    parser.add_argument("--yes", action="store_true", help="write the changes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from generator.process.annotation.files import plan_file, write
    from generator.process.annotation.report import describe, to_dict
    from generator.request.checks import check_cell_number

    file: Path = options.notebook / "process.ipynb" if options.notebook.is_dir() else options.notebook
    plan = plan_file(file, number=check_cell_number(options.parameters_cell) if options.parameters_cell else None)
    is_written = options.yes and not plan.is_empty
    if is_written:
        write(file, plan.data)
    if options.json:
        from generator.shared.safe_text import json_for_terminal

        print(json_for_terminal({**to_dict(plan), "written": is_written}))
    else:
        print("\n".join([*describe(plan), *_closing(file, plan, is_written=is_written)]))
    return 0


def _closing(file: Path, plan: Plan, *, is_written: bool) -> list[str]:
    from generator.shared.safe_text import printable

    inspect = printable(f"packmill inspect {shlex.quote(str(file.parent))} --process {shlex.quote(file.name)}")
    if is_written:
        return ["", f"written; look at the interface: {inspect}"]
    return [] if plan.is_empty else ["", "nothing is written yet; write the changes with --yes"]
