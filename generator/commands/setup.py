"""``packmill setup``: an engine, a base image and, where it is asked for, the walls of builds and steps."""

from __future__ import annotations

import argparse
import os
import re

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Adds the command."""
    text = """\
Makes sure that images can be built here: looks for a container engine with buildx and for a base image. On Debian and
as root it installs and starts what is missing; elsewhere it says what to install. PACKMILL_NETWORK=guarded also sets
the firewall rules for builds and steps, PACKMILL_NETWORK=open removes them."""
    parser = command(commands, "setup", "make sure that images can be built here", text)
    parser.add_argument(
        "--python", default="", metavar="VERSION", help="a base image with this Python, such as 3.13 (default: any)"
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carries it out; the exit code."""
    from generator.ci.stages import set_up
    from generator.progress import Progress
    from generator.request.settings import read_settings
    from generator.shared.errors import UsageError

    if options.python and not re.fullmatch(r"3\.\d{1,2}", options.python):
        raise UsageError(f"--python {options.python}: not a version of Python; give it as 3.13")
    settings = read_settings(os.environ)
    python = f"=={options.python}.*" if options.python else ""
    set_up(settings, Progress(sections=settings.gitlab_job), python=python)
    return 0
