"""``packmill ci``: the command that build.sh runs."""

from __future__ import annotations

import argparse
import os

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Add the command."""
    from generator.request.settings import variables

    listed = "\n".join(f"  {name:<29}{what}" for name, what in variables.items())
    text = f"""\
Sets up the machine, reads the variables below from the environment, then builds and publishes; build.sh runs this
command. Without 'repository' it builds the bundled example and runs its package.

With a stage, one job of .gitlab-ci.yml: 'build' builds the image and the package, 'check' validates it and runs it
on its example values (exit code 21 without such values), 'publish' pushes the image and deposits
the package, 'run' runs the package of an earlier job, 'map' runs it for every row of a table. 'build' and 'publish'
write packmill.env, variables for later jobs. Every stage writes report.xml (JUnit), and the last line of one that
fails has the reason and the exit code.

'look-up' only prints, as JSON, what 'repository' offers: branches, tags, notebooks and scripts, and the interface of
'process'. It fetches no other files, and needs no engine.

variables:
{listed}"""
    parser = command(commands, "ci", "build the package that the CI variables request", text)
    parser.add_argument("stage", nargs="?", choices=("build", "check", "publish", "run", "map", "look-up"))
    parser.set_defaults(command=run, is_job=True)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    if options.stage == "look-up":
        from generator.ci.lookup import main as look_up

        look_up(os.environ)
        return 0
    from generator.ci.stages import main as ci

    ci(options.stage, os.environ)
    return 0
