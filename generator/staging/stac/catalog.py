"""STAC catalogs of files in a folder (STAC 1.1; OGC 20-089, ``/req/app/stac-out``): Catalog, Items, Assets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from generator.shared import contract
from generator.shared.failures import BadInputsError
from generator.shared.media_types import media_type
from generator.staging.checksums import Checksum
from generator.staging.file_names import safe_name
from generator.staging.stac.footprints import Footprint, read_footprint
from generator.staging.transfer.transfer import compute_checksum

_FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
_COG = "image/tiff; application=geotiff"
_PICTURES = (".png", ".jpg", ".jpeg", ".svg", ".gif", ".webp")


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogFile:
    """A file of the catalog: its path below the folder, its roles, and its source if it was fetched."""

    path: str
    roles: tuple[str, ...] = ("data",)
    title: str = ""
    source: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def write_catalog(
    folder: Path, members: Iterable[CatalogFile], *, name: str, description: str, time: datetime
) -> list[str]:
    """Write ``catalog.json`` and its Items into ``folder``; return their paths, the catalog's last.

    Files that differ only in their extension form one Item: an image, its preview, its metadata. ``time`` is the Items'
    datetime, in UTC.

    Raises:
        BadInputsError: pystac is not installed, or a file would be overwritten.
    """
    try:
        import pystac
    except ImportError:
        raise BadInputsError("a STAC catalog needs pystac: pip install 'packmill[staging]'") from None
    catalog = pystac.Catalog(id=name, description=description)
    groups: dict[str, list[CatalogFile]] = {}
    for member in members:
        groups.setdefault(str(PurePosixPath(member.path).with_suffix("")), []).append(member)
    taken: set[str] = set()
    for stem, group in groups.items():
        identifier = _make_identifier(stem, taken)
        place = folder / f"{identifier}.stac" / f"{identifier}.json"
        item = _build_item(pystac, identifier, group, folder, time)
        item.set_self_href(str(place))
        for member, asset in zip(group, item.assets.values(), strict=True):
            asset.href = os.path.relpath(folder / member.path, place.parent)
        catalog.add_item(item, set_parent=True)
        item.set_self_href(str(place))
    for path in (folder / contract.catalog_file, *(Path(item.get_self_href()) for item in catalog.get_items())):
        if path.exists() and path.name == contract.catalog_file:
            raise BadInputsError(
                f"{path.name}: the results have a file of this name, so no STAC catalog can be written"
            )
    catalog.set_self_href(str(folder / contract.catalog_file))
    catalog.save(catalog_type=pystac.CatalogType.SELF_CONTAINED)
    items = [os.path.relpath(item.get_self_href(), folder) for item in catalog.get_items()]
    return [*items, contract.catalog_file]


def _make_identifier(stem: str, taken: set[str]) -> str:
    """Return a unique ID for an Item, which is also a folder name."""
    plain = safe_name(re.sub(r"[^\w.-]+", "_", stem.replace("/", "-")).strip("._"), otherwise="item", longest=80)
    number, one = 1, plain
    while one.casefold() in taken:
        number += 1
        one = f"{plain}-{number}"
    taken.add(one.casefold())
    return one


def _build_item(pystac: Any, identifier: str, group: list[CatalogFile], folder: Path, time: datetime) -> Any:
    found: Footprint | None = None
    assets: dict[str, Any] = {}
    for member in group:
        path = folder / member.path
        where = read_footprint(path)
        found = found or where
        assets[_choose_key(member, assets)] = pystac.Asset(
            href=member.path,
            title=member.title or None,
            media_type=_COG if where and path.suffix.lower() in (".tif", ".tiff") else media_type(path.name),
            roles=_choose_roles(member, group),
            extra_fields=_extra_fields(member, path),
        )
    return pystac.Item(
        id=identifier,
        geometry=found.geometry if found else None,
        bbox=list(found.bbox) if found else None,
        datetime=time,
        properties={"created": time.isoformat().replace("+00:00", "Z")},
        stac_extensions=[_FILE_EXTENSION],
        assets=assets,
    )


def _extra_fields(member: CatalogFile, path: Path) -> dict[str, Any]:
    checksum: Checksum = compute_checksum(path)
    facts = {"file:size": path.stat().st_size, "file:checksum": checksum.multihash, **member.facts}
    return {**facts, "source": member.source} if member.source else facts


def _choose_roles(member: CatalogFile, group: list[CatalogFile]) -> list[str]:
    """Return the roles of a file; a picture next to data is its overview."""
    picture = member.path.lower().endswith(_PICTURES)
    return ["overview"] if picture and len(group) > 1 and member.roles == ("data",) else list(member.roles)


def _choose_key(member: CatalogFile, taken: Mapping[str, Any]) -> str:
    """Return a unique key for an asset: its extension, else its name."""
    ending = PurePosixPath(member.path).suffix.lstrip(".").lower() or "data"
    return ending if ending not in taken else PurePosixPath(member.path).name
