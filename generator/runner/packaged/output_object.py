"""``cwl.output.json``: the output object of a run with templated names (CWL v1.2, "Output binding").

A CWL engine uses this file instead of all globs, so it lists every output of ``process.cwl``.
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from generator.notebook.interface import Interface, Output
from generator.notebook.parameters import CwlType
from generator.runner.results.scraps import Scraps
from generator.shared import contract
from generator.shared.json_text import json_text


def write_output_object(interface: Interface, executed: Path, scraps: Scraps, output: Path) -> None:
    """Write the file next to the output directory: engines look for it in the working directory.

    Missing outputs are null, including a notebook that was never written.
    """
    values: dict[str, Any] = {one.id: _value(one, output) for one in interface.outputs}
    values["output_nb"] = _first(executed, output)
    values["scraps"] = _first(output / contract.scraps_file, output)
    values["scrap_files"] = [_file(output / path, output) for path in scraps.files]
    values[contract.output_dir] = {"class": "Directory", "path": output.name}
    (output.parent / contract.output_object_file).write_bytes(json_text(values) + b"\n")


def _value(one: Output, output: Path) -> Any:
    found = sorted(output.glob(one.glob))
    if one.array:
        return [_file(path, output) for path in found if path.is_file()]
    if one.type is CwlType.DIRECTORY:
        return next(({"class": "Directory", "path": _relative(path, output)} for path in found), None)
    return next((_file(path, output) for path in found if path.is_file()), None)


def _first(path: Path, output: Path) -> dict[str, Any] | None:
    return _file(path, output) if path.is_file() else None


def _file(path: Path, output: Path) -> dict[str, Any]:
    return {"class": "File", "path": _relative(path, output)}


def _relative(path: Path, output: Path) -> str:
    return posixpath.join(output.name, path.relative_to(output).as_posix())
