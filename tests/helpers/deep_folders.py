"""Folders in each other, more than a path has room for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def make_deep(folder: Path, levels: int = 1200, then: str = "") -> None:
    """Make folders in each other, as any program can, and run code in the last one."""
    script = f"import os\nfor _ in range({levels}): os.mkdir('d'); os.chdir('d')\n{then}"
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
