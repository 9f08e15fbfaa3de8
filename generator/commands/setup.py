"""``packmill setup``: set up a container engine, a base image and, if requested, the firewall of builds and steps."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Prepares this machine for image builds: looks for a container engine with buildx and for a base image. As root on
Debian it installs and starts missing programs; elsewhere it lists what to install. PACKMILL_NETWORK=guarded also sets
the firewall rules for builds and steps, PACKMILL_NETWORK=open removes them."""
    parser = command(commands, "setup", "prepare this machine for image builds", text)
    parser.add_argument(
        "--python", default="", metavar="VERSION", help="Python version of the base image, such as 3.13 (default: any)"
    )
    parser.add_argument(
        "--shared",
        type=Path,
        metavar="DIR",
        help="also check that the engine's containers see this folder at the same path, as runs of packages need it",
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from generator.ci.stages import set_up
    from generator.progress import Progress
    from generator.request.settings import read_settings
    from generator.shared.errors import UsageError

    if options.python and not re.fullmatch(r"3\.\d{1,2}", options.python):
        raise UsageError(f"--python {options.python}: invalid Python version; write it as 3.13")
    settings = read_settings(os.environ)
    python = f"=={options.python}.*" if options.python else ""
    set_up(settings, Progress(sections=settings.gitlab_job), python=python, shared=options.shared)
    return 0
