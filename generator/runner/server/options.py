"""The options of ``packmill-runner serve``."""

from __future__ import annotations

import argparse
import os

from generator.runner.options import seconds
from generator.runner.server.runs.model import CHOICES


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = "Serves the notebooks of a folder over HTTP. Every run starts from fresh state."
    parser.add_argument("--root", metavar="DIRECTORY", help="folder of the notebooks (default: the image's repository)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on, 0 for any (default: %(default)s)")
    parser.add_argument("--data", metavar="DIRECTORY", help="folder of runs and their results")
    parser.add_argument(
        "--database",
        metavar="URL",
        help="a PostgreSQL database of runs, which several servers share together with --data "
        "(default: $PACKMILL_SERVE_DATABASE, or else a file in --data)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="runs at once (default: the number of processors, %(default)s)",
    )
    parser.add_argument(
        "--queue", type=int, default=100, metavar="N", help="runs that may wait before 503 (default: %(default)s)"
    )
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help="time limit of a run (default: no limit)")
    parser.add_argument(
        "--execution-timeout", type=seconds, metavar="SECONDS", help="time limit of a cell (default: no limit)"
    )
    parser.add_argument(
        "--kernels",
        choices=CHOICES,
        default="auto",
        help="how runs start: direct, without Jupyter's messages, for plain Python; kernel, for everything in Python, "
        "both forked from a process that has imported the notebook's modules; cold, a new process; auto, direct where "
        "the notebook allows it, else kernel (default: %(default)s)",
    )
    parser.add_argument(
        "--shutdown-timeout",
        type=seconds,
        default=30,
        metavar="SECONDS",
        help="time for running runs to end at a shutdown, before they are interrupted (default: %(default)s)",
    )
