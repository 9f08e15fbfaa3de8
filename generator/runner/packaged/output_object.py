"""``cwl.output.json``: the output object of a run (CWL v1.2, "Output binding").

A CWL engine uses this file instead of all globs, so it lists every output of ``process.cwl``. A glob cannot match a
templated name, tell a file from a folder, or search folders in folders; the runner can.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from generator.notebook.parameters import CwlType
from generator.runner.packaged.outputs import Found
from generator.runner.results.scraps import Scraps
from generator.shared import contract


def write_output_object(
    found: Iterable[Found],
    output: Path,
    *,
    executed: Path | None = None,
    scraps: Scraps | None = None,
    is_one_of_many: bool = False,
) -> None:
    """Write the file next to the output directory: engines look for it in the working directory.

    Missing outputs are null, including a notebook that was never written. ``is_one_of_many`` gives the directory a name
    of its own: cwltool cannot gather directories of one name.
    """
    values: dict[str, Any] = {one.output.id: _value(one, output) for one in found}
    if executed is not None and scraps is not None:
        values["output_nb"] = _first(executed, output)
        values["scraps"] = _first(output / contract.scraps_file, output)
        values["scrap_files"] = [_object("File", path, output) for path in scraps.files]
    own_name = {"basename": f"{output.name}-{secrets.token_hex(8)}"} if is_one_of_many else {}
    values[contract.output_dir] = {"class": "Directory", "path": output.name, **own_name}
    (output.parent / contract.output_object_file).write_text(json.dumps(values, indent=1) + "\n", encoding="ascii")


def _value(one: Found, output: Path) -> Any:
    kind = "Directory" if one.output.type is CwlType.DIRECTORY else "File"
    objects = [_object(kind, path, output) for path in one.paths]
    return objects if one.output.array else next(iter(objects), None)


def _first(path: Path, output: Path) -> dict[str, Any] | None:
    return _object("File", path.relative_to(output).as_posix(), output) if path.is_file() else None


def _object(kind: str, path: str, output: Path) -> dict[str, Any]:
    return {"class": kind, "path": f"{output.name}/{path}"}
