"""The folder ``output/`` of a script: on MAAP, a platform takes it as the results, so authors leave it out of paths.

A script that writes ``output/heights.tif`` declares ``heights.tif``. A script that declares ``output/heights.tif``
means the path in its own folder, as a notebook would. And a Directory of any name, such as ``out``, is this folder on
MAAP, if the script writes no folder of that name.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from generator.notebook.interface import Output
from generator.notebook.parameters import CwlType
from generator.runner.packaged.outputs import matches
from generator.shared import contract
from generator.shared.file_names import shown_name


def move_to_declared_places(outputs: Sequence[Output], results: Path, *, reserved: Collection[str] = ()) -> list[str]:
    """Move what a script left in ``output/`` of its results to where its outputs are declared; return warnings.

    Files whose name exists at the top of the results, or is ``reserved``, stay in ``output/``.
    """
    folder = results / contract.output_folder
    if not folder.is_dir() or any(fnmatch.fnmatchcase(folder.name, one.glob.split("/")[0]) for one in outputs):
        return []
    missing = [one for one in outputs if not matches(one.glob, results)]
    whole = next((one for one in missing if _is_whole_folder(one, folder)), None)
    declared = [path for one in missing for path in matches(one.glob, folder)]
    everything = sorted(path.name for path in folder.iterdir())
    stayed = list(_move_up(declared if whole else everything, folder, results, reserved))
    if whole:
        target = results / whole.glob
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
    elif not any(folder.iterdir()):
        folder.rmdir()
    return stayed


def _is_whole_folder(one: Output, folder: Path) -> bool:
    return one.type is CwlType.DIRECTORY and not one.array and not matches(one.glob, folder)


def _move_up(paths: Sequence[str], folder: Path, results: Path, reserved: Collection[str]) -> Iterator[str]:
    """Move paths below a folder to the same paths below the results; yield a warning for each that cannot be moved."""
    for path in paths:
        target = results / path
        if os.path.lexists(target) or path.split("/")[0] in reserved:
            yield f"{shown_name(f'{folder.name}/{path}')}: stays in {folder.name}/, since the name is in use"
        elif os.path.lexists(folder / path):  # it may have been moved with its folder
            target.parent.mkdir(parents=True, exist_ok=True)
            (folder / path).rename(target)
