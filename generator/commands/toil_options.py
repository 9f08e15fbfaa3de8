"""Options of ``packmill run`` and ``packmill map`` for Toil."""

from __future__ import annotations

import argparse

_CONTAINERS = ("docker", "podman", "singularity")


def add_toil_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a cluster and its containers."""
    parser.add_argument(
        "--batch-system",
        metavar="NAME",
        help="with toil: where jobs run: single_machine, slurm, kubernetes, grid_engine, lsf, torque, htcondor, or "
        "another name that Toil knows (default: single_machine)",
    )
    parser.add_argument(
        "--container",
        choices=_CONTAINERS,
        help="with toil: the program that runs containers where jobs run (default: docker)",
    )
