"""``packmill validate``: run all validators on a package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Runs all validators on a package and prints a table: oracle, document, result, first fault. cwltool, cwl-utils, JSON
Schema and the rules of packmill run are always there; these rules refuse document parts that packmill does not write,
and files in inputs.yml that are not in the package. The validators of platforms judge application.cwl: ap-validator
and cwl2ogc (OGC), eoap-validator (EOAP), and the rules of MAAP's API; roc-validator judges RO-Crates. Those that are
not installed are named, with the command that installs them. Each runs in its own process, without network access."""
    parser = command(commands, "validate", "check a package", text)
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="folder of a package")
    parser.add_argument(
        "--profile",
        choices=("ogc", "eoap", "maap", "all"),
        default="all",
        help="platforms whose validators run; each of them must be installed, except with all (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from generator.package.oracles import Profile
    from generator.package.validation import validate
    from generator.package.validation_report import report
    from generator.progress import Progress

    profile = Profile(options.profile)
    say = Progress().say if sys.stderr.isatty() else lambda _: None
    return report(validate(options.package, profile=profile, say=say), as_json=options.json, profile=profile)
