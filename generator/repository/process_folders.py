"""The folders of processes' packages below the place of their repository and checkout."""

from __future__ import annotations

default_process = "process.ipynb"


def process_folder(process: str) -> str:
    """Return the folder of a process's package, relative to its place: empty for the default process."""
    return "" if process == default_process else process.rpartition(".")[0].replace("/", "-")
