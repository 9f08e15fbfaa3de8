"""``packmill doctor``: report what is missing on this machine, with the commands that install it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Checks what packmill needs of this machine: Python packages, git and git-lfs, container engine, disk space, memory,
settings, registry logins, and the packages of optional features. Lines that are not 'ok' have the command that fixes
them. Changes nothing and needs no network; 'packmill setup' installs and starts an engine. The exit code is 0 if
nothing required is missing, else the one that a build would end with: 10 without git, 19 without an engine, 23 with a
full disk for packages, 15 with one for images, 14 without a Python package, 2 with an invalid setting."""
    parser = command(commands, "doctor", "report what is missing on this machine", text)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("packages"),
        metavar="DIR",
        help="folder for packages (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from generator.machine.doctor import describe, examine, exit_code, to_dict

    findings = examine(os.environ, options.output)
    if options.json:
        from generator.shared.safe_text import json_for_terminal

        print(json_for_terminal(to_dict(findings)))
    else:
        print("\n".join(describe(findings)))
    return exit_code(findings)
