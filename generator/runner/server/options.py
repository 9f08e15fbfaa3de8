"""The options of ``packmill-runner serve``, each with a variable for containers."""

from __future__ import annotations

import argparse

from generator.runner.server.operation.options import add_access, add_limits, add_network, add_operation
from generator.runner.server.quantities import count
from generator.runner.server.runs.model import CHOICES
from generator.runner.server.variable_options import add_option

default_data = "packmill-data"

_description = """\
Serves the notebooks of a folder over HTTP. Every run starts from fresh state.

Without tokens the server is for this machine alone. Others reach it with --host 0.0.0.0, which needs a token:
'packmill-runner token create NAME', --token-file or PACKMILL_SERVE_TOKENS.

Each option has a variable: PACKMILL_SERVE_QUEUE=200 is --queue 200. Durations are written as 90s, 30m, 12h or 7d (a
bare number is seconds), sizes as 500M or 10G."""

_epilog = """\
signals: SIGTERM and SIGINT let running runs finish (--shutdown-timeout), a second one interrupts them, which saves
their notebooks. Runs that wait start with the next server.

exit codes: 0 stopped, 2 an option or the machine does not allow it"""


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``serve``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage, parser.description, parser.epilog = "%(prog)s [OPTION]...", _description, _epilog
    _add_notebooks(parser.add_argument_group("notebooks and runs"))
    _add_files(parser.add_argument_group("files of clients"))
    add_network(parser.add_argument_group("network"))
    add_access(parser.add_argument_group("access"))
    add_limits(parser.add_argument_group("limits"))
    add_operation(parser.add_argument_group("operation"))


def _add_notebooks(group: argparse._ArgumentGroup) -> None:
    add_option(group, "--root", metavar="DIRECTORY", help="folder of the notebooks (default: the image's repository)")
    add_option(
        group,
        "--data",
        default=default_data,
        metavar="DIRECTORY",
        help="folder of runs, their results, and tokens (default: %(default)s)",
    )
    add_option(
        group,
        "--database",
        metavar="URL",
        help="a PostgreSQL database of runs, which several servers share together with --data; set one with a password "
        "in PACKMILL_SERVE_DATABASE (default: a file in --data)",
    )
    _add_storage(group)
    _add_environment(group)
    add_option(
        group,
        "--home-of",
        metavar="NAME",
        help="serve the home of a JupyterHub user, with /list-notebooks/NAME, /execute and /run-notebook: executed "
        "notebooks are stored in the home and run --in-place; by default, --root is $HOME, --readable '*', and "
        "--workers at most 2",
    )
    add_option(
        group,
        "--in-place",
        action="store_true",
        help="run notebooks in their own folders instead of a copy, with this user's HOME: files that they write stay "
        "there, and are there for later runs; for folders that are too large to copy",
    )
    add_option(
        group,
        "--workers",
        type=count,
        metavar="N",
        help="runs at once; with --database, 0 leaves the runs to other servers (default: one for each processor, with "
        "1 GiB of memory each)",
    )
    add_option(
        group,
        "--kernels",
        choices=CHOICES,
        default="auto",
        help="how runs start: direct, without Jupyter's messages, for plain Python; kernel, for everything in Python, "
        "both forked from a process that has imported the notebook's modules; cold, a new process; auto, direct where "
        "the notebook allows it, else kernel (default: %(default)s)",
    )


def _add_environment(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--hide-environment",
        action="append",
        default=[],
        metavar="NAME",
        help="environment variable that notebooks do not get; a pattern such as 'API_*' hides none that programs need, "
        "such as PATH; can be repeated (default: PACKMILL_*, with S3 the credentials in AWS_*, with --database "
        "PGPASSWORD)",
    )
    add_option(
        group,
        "--environment",
        action="append",
        default=[],
        metavar="NAME",
        help="environment variable or pattern that notebooks get although it would be hidden; can be repeated",
    )


def _add_files(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--readable",
        action="append",
        default=[],
        metavar="GLOB",
        help="files of the folder that clients may name as inputs, such as 'data/*.csv'; * also matches /; can be "
        "repeated (default: only uploads, and what a notebook's own cell names)",
    )

    add_option(
        group,
        "--fetch",
        choices=("none", "public"),
        default="none",
        help="public: before a run, fetch files that clients name by http or https address, from hosts that everyone "
        "reaches (default: %(default)s)",
    )
    add_option(
        group,
        "--fetch-allow",
        action="append",
        default=[],
        metavar="HOST",
        help="a private host or network from which --fetch public takes files, too; can be repeated",
    )


def _add_storage(group: argparse._ArgumentGroup) -> None:
    add_option(
        group,
        "--output-root",
        metavar="DIRECTORY",
        help="also store executed notebooks here, in the folders of their notebooks; relative paths of requests to "
        "/run are below it (default: only those with a path, in --data)",
    )
    add_option(
        group,
        "--output-bucket",
        action="append",
        metavar="BUCKET[/FOLDER]",
        help="S3 bucket that requests to /run may store executed notebooks in; can be repeated (default: none)",
    )
    add_option(
        group,
        "--source-bucket",
        action="append",
        metavar="BUCKET[/FOLDER]",
        help="S3 bucket whose notebooks /run may run; can be repeated (default: none)",
    )
    add_option(
        group,
        "--templates",
        metavar="FILE",
        help="templates of executed notebooks' paths (default: $PACKMILL_TEMPLATES, else a file in --data)",
    )
