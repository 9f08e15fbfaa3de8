"""``packmill run``: run a package with a CWL engine."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from generator.commands.parser import Commands, command
from generator.commands.toil_options import add_toil_options
from generator.commands.verify_option import add_verify_option, verification


def add(commands: Commands) -> None:
    """Add the command."""
    from generator.package.engines import engines

    names = [engine.name for engine in engines]
    text = """\
Runs a package with a CWL engine: its process, or its workflow when a value is a URL or a record, or when stage_out,
cache_dir, credentials or config_dir is given. Values come from the job file (default: the package's inputs.yml); -p
replaces one. All are checked against the interface first. Progress goes to stderr. On a terminal, the run ends with a
summary of its results; CWL's output object goes to stdout if that is a file or a pipe, or with --json.
Documents with parts that packmill does not write (a tool without a container, an expression, another requirement) and
an inputs.yml with files from outside the package are refused with exit code 17; --trust runs them.
Options after -- go to the engine: packmill run PACKAGE -- --debug"""
    parser = command(commands, "run", "run a package", text)
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="folder of a package, or one of its .cwl files")
    parser.add_argument(
        "job", type=Path, nargs="?", metavar="JOB.yml", help="job file (default: the package's inputs.yml)"
    )
    parser.add_argument(
        "-p",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="values",
        help="one value; may be given several times",
    )
    parser.add_argument(
        "--outdir", type=Path, default=Path(), metavar="DIR", help="folder for outputs (default: the current folder)"
    )
    parser.add_argument("--engine", choices=names, default=names[0], help="CWL engine (default: %(default)s)")
    add_toil_options(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="with toil and --batch-system: continue a run that ended early from its job store, in DIR/.packmill-toil; "
        "not with --verify",
    )
    parser.add_argument(
        "--provenance",
        type=Path,
        metavar="DIR",
        help="write a crate of the run to a new folder: a Workflow Run RO-Crate with copies of its inputs and outputs",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run the package even if it has parts that packmill does not write; required for Toil, which does not "
        "check outputs",
    )
    add_verify_option(parser)
    parser.add_argument(
        "--json", action="store_true", help="print CWL's output object on a terminal too, instead of the summary"
    )
    parser.set_defaults(command=run, given={})


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    outputs = execute(options)
    if options.json or not sys.stdout.isatty():
        from generator.shared.safe_text import json_for_terminal

        print(json_for_terminal(outputs, indent=2))
    else:
        from generator.package.summary import summarize

        print(summarize(outputs, folder=Path.cwd()))
    return 0


def execute(options: argparse.Namespace) -> dict[str, Any]:
    """Return CWL's output object of a run."""
    from generator.containers.limits import container_limits
    from generator.package.engines.cluster import Cluster
    from generator.package.run import run_package
    from generator.progress import Progress
    from generator.request.settings import read_settings

    settings = read_settings(os.environ)
    network = None
    if settings.walled:
        from generator.image.walls import network_for_steps

        network = network_for_steps(settings, Progress().say)
    cluster = Cluster(batch_system=options.batch_system, container=options.container)
    cluster.check_engine(options.engine, resume=options.resume)
    return run_package(
        options.package,
        job=options.job,
        values=options.values,
        given=options.given,
        outdir=options.outdir,
        engine=options.engine,
        options=options.engine_options,
        guarded=settings.guard_variables,
        limits=container_limits(settings),
        network=network,
        trust=options.trust,
        cluster=cluster,
        resume=options.resume,
        provenance=options.provenance,
        verification=verification(options.verify, settings),
    )
