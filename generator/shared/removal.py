"""Removal of folders that code of others filled."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def remove_tree(folder: Path | str) -> None:
    """Remove a folder as far as possible, without following links; it may have more levels than Python can follow.

    ``shutil.rmtree`` calls itself for each level before Python 3.13, also with ``ignore_errors``.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        import subprocess  # here, because a short run does without it

        command = ("rm", "-rf", "--", os.fspath(folder))
        subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
