"""Kernels of other projects that ``scripts/test-kernels`` installs for the tests."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

data_folder = Path(sys.prefix) / "kernels" / "share" / "jupyter"
"""A folder for JUPYTER_PATH."""
_PROGRAMS = {"octave": "octave", "gnuplot": "gnuplot", "zsh": "zsh", "tslab": "node", "jslab": "node"}


def require_kernel(name: str) -> Path:
    """Return the folder for JUPYTER_PATH with the kernel ``name``; skip the test where it is not installed."""
    program = _PROGRAMS.get(name)
    if not (data_folder / "kernels" / name / "kernel.json").exists() or (program and not shutil.which(program)):
        pytest.skip(f"the kernel {name} is not installed here; scripts/test-programs installs it")
    return data_folder
