"""The folders of processes' packages below the place of their repository and checkout."""

from __future__ import annotations

from collections.abc import Iterable

from generator.shared.file_names import shortened

default_process = "process.ipynb"


def process_folder(process: str) -> str:
    """Return the folder of a process's package, relative to its place: empty for the default process.

    It is one name, which file systems limit, for a path of many folders; a long one ends with a digest.
    """
    return "" if process == default_process else shortened(process.rpartition(".")[0].replace("/", "-"))


def without_carried(folders: Iterable[str]) -> list[str]:
    """Return the folders that packmill wrote as packages, of all below an output folder that look like one.

    A process has its package directly below that of the default process. Deeper folders are example values, which
    packages carry from their repository: they may pose as the package of another repository.
    """
    found, top = [], None
    for folder in sorted(folders, key=lambda one: one.split("/")):  # each is followed by those below it
        if top is None or not folder.startswith(f"{top}/"):
            top = folder
        elif "/" in folder[len(top) + 1 :]:
            continue
        found.append(folder)
    return found
