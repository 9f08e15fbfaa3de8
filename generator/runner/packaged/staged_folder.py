"""The files of a folder that a platform staged in: the assets of its STAC catalog (OGC 20-089r1, 7.2).

Only files in the folder are read: documents of others choose the addresses.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from generator.notebook.literals import shorten
from generator.shared import contract
from generator.shared.failures import BadInputsError
from generator.shared.folder_levels import paths_below, too_deep

_SIDE_ROLES = frozenset(("metadata", "overview", "thumbnail"))
_MOST_DOCUMENTS = 10_000


def staged_files(folder: Path) -> list[dict[str, Any]]:
    """Return the data files of a folder as CWL File objects, in the catalog's order.

    Those are the assets with the role ``data``; else the assets that are neither metadata nor pictures of others; else
    all assets. Without a catalog, those are all files in the folder, by name.

    Raises:
        BadInputsError: the catalog cannot be read, or an asset is not in the folder.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - links keep their names
    if not (folder / contract.catalog_file).is_file():
        found = sorted(paths_below(folder, on_deeper=_refuse))
        return [_file_object(path) for path in found if _is_visible_file(path, folder)]
    assets = [asset for item, place in _items(folder) for asset in _assets(item, place)]
    data = [asset for asset in assets if "data" in asset[0]]
    main = [asset for asset in assets if not asset[0] & _SIDE_ROLES]
    if chosen := data or main or assets:
        return [_file_object(_inside(folder, place, href)) for _, href, place in chosen]
    raise BadInputsError(f"{folder / contract.catalog_file}: no Item with an asset")


def _refuse(folder: Path) -> None:
    raise BadInputsError(f"{shorten(str(folder))}: {too_deep}")


def _is_visible_file(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _items(folder: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Yield the Items that a catalog leads to, each with the path of its document."""
    waiting, seen = [folder / contract.catalog_file], set()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        if len(seen) > _MOST_DOCUMENTS:
            raise BadInputsError(f"{folder}: more than {_MOST_DOCUMENTS} STAC documents")
        document = _read(path)
        if document.get("type") == "Feature":
            yield document, path
        elif document.get("type") == "FeatureCollection":
            yield from ((one, path) for one in _mappings(document.get("features")))
        else:
            links = [link for link in _mappings(document.get("links")) if link.get("rel") in ("item", "child")]
            waiting[:0] = [_inside(folder, path, link.get("href")) for link in links]


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInputsError(f"{path}: cannot be read as STAC: {error}") from None
    if not isinstance(document, dict):
        raise BadInputsError(f"{path}: not a STAC document")
    return document


def _assets(item: dict[str, Any], place: Path) -> Iterator[tuple[frozenset[str], Any, Path]]:
    """Yield roles, address and document of each asset of an Item."""
    assets = item.get("assets")
    for asset in _mappings([*assets.values()] if isinstance(assets, dict) else None):
        roles = asset.get("roles")
        yield frozenset(map(str, roles if isinstance(roles, list) else ())), asset.get("href"), place


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _inside(folder: Path, document: Path, href: Any) -> Path:
    """Return the path of an address in a document; files in the folder may be links, which engines make.

    Raises:
        BadInputsError: the address does not lead to a file in the folder.
    """
    if not isinstance(href, str) or not href or "://" in href.removeprefix("file://"):
        raise BadInputsError(f"{document}: {href!r} is not staged in; the platform has to stage every asset")
    plain = href.removeprefix("file://")
    for text in (plain, unquote(plain)):  # an address, but many programs write plain paths
        path = Path(os.path.normpath(document.parent / text))
        if path.is_relative_to(folder) and path.is_file():
            return path
    raise BadInputsError(f"{document}: {href!r} is not a file in the staged folder")


def _file_object(path: Path) -> dict[str, Any]:
    return {
        "class": "File",
        "path": str(path),
        "location": path.as_uri(),
        "basename": path.name,
        "dirname": str(path.parent),
        "nameroot": path.stem,
        "nameext": path.suffix,
        "size": path.stat().st_size,
    }
