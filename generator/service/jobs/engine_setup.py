"""Set up the container engine before confined jobs start, which can neither install nor start one themselves.

This also sets the firewall rules that keep builds and steps out of private networks, if jobs need them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from generator.subprocesses.commands import run

_TIMEOUT = 1800.0
_code = Path(__file__).resolve().parents[3]


def set_up_engine(say: Callable[[str], None], variables: Mapping[str, str], *, data: Path) -> None:
    """Run ``packmill setup`` with the variables of jobs, with folders in ``data``; report a failure in one line."""
    path = os.pathsep.join(filter(None, (str(_code), os.environ.get("PYTHONPATH"))))
    command = (sys.executable, "-m", "generator", "setup", "--shared", str(data))
    done = run(command, environment={**variables, "PYTHONPATH": path}, timeout=_TIMEOUT)
    if done.code != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        why = next((line for line in lines if line.startswith("packmill:")), lines[-1] if lines else "no reason given")
        say(f"warning: jobs will fail until 'packmill setup' succeeds: {why.removeprefix('packmill: ')}")
