"""Text notebooks: ``in.py``, ``in.md``, ``in.qmd`` or ``in.Rmd`` of a case folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import folders

text_cases = folders("text-notebooks")
r_cases = ("rmarkdown",)
"""The cases that run and need R's kernel."""
_SPEC = '{"argv": ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"], "language": "R"}'


def text_notebook(case: Path) -> Path:
    """Return the notebook of a case."""
    return next(case.glob("in.*"))


def install_r_kernel(folder: Path) -> dict[str, str]:
    """Return an environment with R's kernel; skip the test where IRkernel is not installed."""
    program = shutil.which("Rscript")
    asked = [program or "false", "-e", "IRkernel::main"]
    if program is None or subprocess.run(asked, capture_output=True, check=False).returncode != 0:
        pytest.skip("IRkernel is not installed here; it is Debian's package r-cran-irkernel")
    spec = folder / "kernels" / "ir" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(_SPEC)
    return {**os.environ, "JUPYTER_PATH": str(folder)}
