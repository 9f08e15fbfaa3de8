"""``packmill ci``: what build.sh runs."""

from __future__ import annotations

import argparse
import os

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Adds the command."""
    from generator.request import variables

    listed = "\n".join(f"  {name:<22}{what}" for name, what in variables.items())
    text = f"""\
What build.sh runs: sets the machine up, reads the variables below from the environment, and builds. Without
'repository' it builds the bundled example and runs its package.

variables:
{listed}"""
    parser = command(commands, "ci", "build what the CI variables ask for", text)
    parser.set_defaults(command=run)


def run(_: argparse.Namespace) -> int:
    """Carries it out; the exit code."""
    from generator.ci import main as ci

    ci(os.environ)
    return 0
