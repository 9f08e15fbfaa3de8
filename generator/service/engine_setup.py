"""Set up the container engine before confined jobs start: they can neither install nor start one themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from generator.tools.process import run

_TIMEOUT = 1800.0
_code = Path(__file__).resolve().parents[2]


def set_up_engine(say: Callable[[str], None]) -> None:
    """Run ``packmill setup``; say in one line what it could not do."""
    path = os.pathsep.join(filter(None, (str(_code), os.environ.get("PYTHONPATH"))))
    done = run((sys.executable, "-m", "generator", "setup"), environment={"PYTHONPATH": path}, timeout=_TIMEOUT)
    if done.code != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        why = next((line for line in lines if line.startswith("packmill:")), lines[-1] if lines else "no reason given")
        say(f"warning: jobs cannot build images until 'packmill setup' succeeds: {why.removeprefix('packmill: ')}")
