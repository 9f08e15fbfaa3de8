"""``packmill validate``: run all validators on a package."""

from __future__ import annotations

import argparse
from pathlib import Path

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Runs all validators on a package, one line each: cwltool --validate --strict on the CWL, JSON Schema on the
descriptor. Two more report what packmill run would refuse: document parts that packmill does not write, and files in
inputs.yml that are not in the package."""
    parser = command(commands, "validate", "check a package", text)
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="folder of a package")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from generator.package.validation import report, validate

    return report(validate(options.package), as_json=options.json)
