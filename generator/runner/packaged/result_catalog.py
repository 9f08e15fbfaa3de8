"""The STAC catalog of a run's results, in the output directory (OGC 20-089r1, ``/req/app/stac-out``)."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from generator.shared import contract
from generator.shared.failures import BadInputsError
from generator.shared.folder_levels import paths_below
from generator.shared.json_text import json_text
from generator.staging.stac.results import result_roles


def require_catalogs() -> None:
    """Check before a run that its results can be listed.

    Raises:
        BadInputsError: pystac is not installed.
    """
    if find_spec("pystac") is None:
        raise BadInputsError(f"{contract.catalog_option} needs pystac: pip install 'packmill[staging]'")


def write_result_catalog(output: Path, *, name: str, time: datetime, say: Callable[[str], None]) -> None:
    """Write ``catalog.json`` with an Item for each group of results; catalogs of the process become its children.

    A catalog of the process at the top of the output directory is the catalog of the results, and is kept.
    """
    if (output / contract.catalog_file).exists():
        say(f"{contract.catalog_file}: written by the process, and kept")
        return
    from generator.staging.stac.catalog import CatalogFile, write_catalog

    own = _own_catalogs(output)
    paths = [path.relative_to(output).as_posix() for path in sorted(paths_below(output)) if path.is_file()]
    folders = tuple(f"{posixpath.dirname(path)}/" for path in own)
    members = [CatalogFile(path=path, roles=result_roles(path)) for path in paths if not path.startswith(folders)]
    write_catalog(output, members, name=name, description=f"results of {name}", time=time, say=say)
    if own:
        _add_children(output / contract.catalog_file, own)


def _own_catalogs(output: Path) -> list[str]:
    """Return the topmost catalogs below the output directory."""
    found: list[str] = []
    named = (path for path in paths_below(output) if path.name == contract.catalog_file)
    for path in sorted(named, key=lambda one: len(one.parts)):
        relative = path.relative_to(output).as_posix()
        if path.is_file() and not any(relative.startswith(f"{posixpath.dirname(one)}/") for one in found):
            found.append(relative)
    return sorted(found)


def _add_children(catalog: Path, own: list[str]) -> None:
    from generator.staging.stac.catalog import make_href

    document = json.loads(catalog.read_text(encoding="utf-8"))
    document["links"] += [{"rel": "child", "href": make_href(f"./{path}"), "type": "application/json"} for path in own]
    catalog.write_bytes(json_text(document))
