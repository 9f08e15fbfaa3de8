"""``packmill ci``: what build.sh runs."""

from __future__ import annotations

import argparse
import os

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Adds the command."""
    from generator.request.settings import variables

    listed = "\n".join(f"  {name:<29}{what}" for name, what in variables.items())
    text = f"""\
What build.sh runs: sets the machine up, reads the variables below from the environment, and builds and publishes.
Without 'repository' it builds the bundled example and runs its package.

With a stage, one job of .gitlab-ci.yml: 'build' makes the image and the package, 'check' validates it and runs it on
its example values (report.xml, JUnit), 'publish' pushes the image and deposits the package, 'run' runs the package of
an earlier job. 'build' and 'publish' leave packmill.env, variables for later jobs.

variables:
{listed}"""
    parser = command(commands, "ci", "build what the CI variables ask for", text)
    parser.add_argument("stage", nargs="?", choices=("build", "check", "publish", "run"))
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carries it out; the exit code."""
    from generator.ci.stages import main as ci

    ci(options.stage, os.environ)
    return 0
