"""STAC catalogs of files in a folder (STAC 1.1; OGC 20-089, ``/req/app/stac-out``): Catalog, Items, Assets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import quote

from generator.shared import contract
from generator.shared.failures import BadInputsError
from generator.shared.media_types import media_type
from generator.shared.regular_files import open_regular_file
from generator.shared.safe_names import safe_name
from generator.staging.checksums import Checksum
from generator.staging.stac.footprints import footprint_of_all
from generator.staging.stac.formats.description import Description
from generator.staging.stac.formats.zarr_folders import marks_of, zarr_version
from generator.staging.stac.reading import describe_files
from generator.staging.stac.writing import ROOT, write_documents
from generator.staging.transfer.transfer import compute_checksum

_FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
_PROJECTION_EXTENSION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
_CUBE_EXTENSION = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json"
staged_in = "staged in"
"""The end of the descriptions of catalogs that stage-ins write."""

_LARGEST_CATALOG = 256 << 20
_ITEM = re.compile(r"\./([^/]+)\.stac/\1\.json")
"""The reference to an Item in a catalog of `write_catalog`."""
_PICTURES = (".png", ".jpg", ".jpeg", ".svg", ".gif", ".webp")


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogFile:
    """A file of the catalog or a Zarr folder: its path below the catalog, its roles, its source if it was fetched."""

    path: str
    roles: tuple[str, ...] = ("data",)
    title: str = ""
    source: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def write_catalog(
    folder: Path,
    members: Iterable[CatalogFile],
    *,
    name: str,
    description: str,
    time: datetime,
    say: Callable[[str], None],
) -> list[str]:
    """Write ``catalog.json`` and its Items into ``folder``; return their paths, the catalog's last.

    Files that differ only in their extension form one Item: an image, its preview, its metadata. ``time`` is the
    datetime, in UTC, of Items whose files state none. ``say`` gets a warning for each file without a clear place.

    Raises:
        BadInputsError: pystac is not installed, or a file would be overwritten.
    """
    try:
        import pystac
    except ImportError:
        raise BadInputsError("a STAC catalog needs pystac: pip install 'packmill[staging]'") from None
    catalog = pystac.Catalog(id=name, description=description, catalog_type=pystac.CatalogType.SELF_CONTAINED)
    catalog.set_self_href(str(ROOT / contract.catalog_file))
    taken: dict[str, int] = {}
    for stem, group in _group(folder, list(members), say).items():
        identifier = _make_identifier(folder, stem, taken)
        place = PurePosixPath(_item_folder(ROOT, identifier), f"{identifier}.json")
        item = _build_item(pystac, identifier, group, folder, time)
        catalog.add_item(item, set_parent=True)
        item.set_self_href(str(place))
        for member, asset in zip(group, item.assets.values(), strict=True):  # pystac would cut them at '#', '?', ';'
            asset.href = make_href(os.path.relpath(ROOT / member.file.path, place.parent))
    if (folder / contract.catalog_file).exists():
        raise BadInputsError(
            f"{contract.catalog_file}: the results have a file of this name, so no STAC catalog can be written"
        )
    return write_documents(folder, catalog)


def remove_staged_catalog(folder: Path, *, kept: Collection[str]) -> None:
    """Remove the catalog that an earlier stage-in wrote into a folder, with its Items; paths in ``kept`` stay.

    Other catalogs stay as well. A fetched file can look like the catalog of a stage-in, so files with paths that
    `write_catalog` gives to no Item stay, too.

    Raises:
        OSError: the catalog cannot be removed.
    """
    path = folder / contract.catalog_file
    names = {name.casefold() for name in kept}
    document = {} if contract.catalog_file in names else _read_catalog(path)
    if not _is_staged_in(document):
        return
    links = document.get("links")
    for link in links if isinstance(links, list) else ():
        href = str(link.get("href")) if isinstance(link, dict) else ""
        if _ITEM.fullmatch(href) and href.removeprefix("./").casefold() not in names:
            item = folder / href
            with suppress(OSError, ValueError):  # no such file, no name of one, or a folder that has other files
                if not item.parent.is_symlink():
                    item.unlink()
                    item.parent.rmdir()
    path.unlink()


def refuse_other_catalog(folder: Path) -> None:
    """Refuse a folder whose catalog is not one of an earlier stage-in, before anything is fetched.

    Raises:
        BadInputsError: the folder has such a catalog.
    """
    path = folder / contract.catalog_file
    if os.path.lexists(path) and not _is_staged_in(_read_catalog(path)):
        raise BadInputsError(f"{path}: not of a stage-in, so it is not replaced; choose another folder, or remove it")


def _is_staged_in(document: Mapping[str, Any]) -> bool:
    return document.get("type") == "Catalog" and str(document.get("description")).endswith(staged_in)


def _read_catalog(path: Path) -> dict[str, Any]:
    """Return the document of a file; an empty one if it has none."""
    try:
        with open_regular_file(path, follow_links=False) as file:
            document = json.loads(file.read(_LARGEST_CATALOG))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Member:
    """A file of an Item, with the description of its content."""

    file: CatalogFile
    content: Description


def _group(folder: Path, files: list[CatalogFile], say: Callable[[str], None]) -> dict[str, list[_Member]]:
    """Describe the files, and group them by their path without the extension."""
    groups: dict[str, list[_Member]] = {}
    files = _join_zarr_folders(folder, files)
    found = describe_files([_real_path(folder / one.path) for one in files])
    for file, content in zip(files, found, strict=True):
        if content and content.remark:
            say(f"warning: {file.path}: no place in the STAC catalog: {content.remark}")
        member = _Member(file=file, content=content or Description())
        groups.setdefault(str(PurePosixPath(file.path).with_suffix("")), []).append(member)
    return groups


def _join_zarr_folders(folder: Path, files: list[CatalogFile]) -> list[CatalogFile]:
    """Return the files, with one entry for all those of a Zarr folder."""
    versions: dict[PurePosixPath, int | None] = {}

    def find(path: str) -> str:
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            if parent not in versions:
                versions[parent] = zarr_version(folder / parent)
            if versions[parent]:
                return str(parent)
        return path

    joined = {find(one.path): one for one in reversed(files)}
    paths = dict.fromkeys(find(one.path) for one in files)
    return [joined[path] if joined[path].path == path else CatalogFile(path=path) for path in paths]


def _real_path(path: Path) -> Path:
    """Return the path without links; of a Zarr folder the one that its description is in."""
    if path.is_dir():
        return next((mark.resolve().parent for mark in marks_of(path)), path)
    return path.resolve()


def _make_identifier(folder: Path, stem: str, taken: dict[str, int]) -> str:
    """Return a unique ID for an Item, which is also the name of a folder that does not exist yet."""
    plain = safe_name(re.sub(r"[^\w.-]+", "_", stem.replace("/", "-")).strip("._"), otherwise="item", longest=80)
    number, one = taken.get(plain.casefold(), 1), plain
    while one.casefold() in taken or os.path.lexists(_item_folder(folder, one)):
        number += 1
        one = f"{plain}-{number}"
    taken[plain.casefold()] = number  # counting from 1 again would take time with the square of the names
    taken.setdefault(one.casefold(), 1)
    return one


def make_href(path: str) -> str:
    """Return a relative path as a reference; one with characters that end the path of an address is %-encoded.

    Others stay as they are, for programs that take references for names of files.
    """
    return quote(path, safe="/ ", errors="surrogateescape") if any(character in path for character in "#?;") else path


def _item_folder(folder: PurePath, identifier: str) -> PurePath:
    return folder / f"{identifier}.stac"


def _build_item(pystac: Any, identifier: str, group: list[_Member], folder: Path, time: datetime) -> Any:
    place = footprint_of_all([one.content.footprint for one in group if one.content.footprint])
    times = [(one.content.start, one.content.end) for one in group if one.content.start]
    properties: dict[str, Any] = {"created": time.isoformat().replace("+00:00", "Z")}
    if times:
        start, end = min(first for first, _ in times), max(last for _, last in times)
        time = datetime.fromisoformat(start.replace("Z", "+00:00"))
        properties |= {"start_datetime": start, "end_datetime": end} if start != end else {}
    assets: dict[str, Any] = {}
    for member in group:
        assets[_choose_key(member.file, assets)] = _build_asset(pystac, member, group, folder)
    return pystac.Item(
        id=identifier,
        geometry=place.geometry if place else None,
        bbox=list(place.bbox) if place else None,
        datetime=time,
        properties=properties,
        stac_extensions=_extensions(group),
        assets=assets,
    )


def _build_asset(pystac: Any, member: _Member, group: list[_Member], folder: Path) -> Any:
    file, content = member.file, member.content
    path = folder / file.path
    described = {**content.projection, **content.cube, **({"bands": list(content.bands)} if content.bands else {})}
    return pystac.Asset(
        href=file.path,
        title=file.title or None,
        description=f"geometry unknown: {content.remark}" if content.remark else None,
        media_type=content.media_type or media_type(path.name),
        roles=_choose_roles(file, group),
        extra_fields={
            **_file_fields(path),
            **described,
            **file.facts,
            **({"source": file.source} if file.source else {}),
        },
    )


def _extensions(group: Sequence[_Member]) -> list[str]:
    used = {
        _FILE_EXTENSION: True,
        _PROJECTION_EXTENSION: any(one.content.projection for one in group),
        _CUBE_EXTENSION: any(one.content.cube for one in group),
    }
    return [url for url, is_used in used.items() if is_used]


def _file_fields(path: Path) -> dict[str, Any]:
    """Return the fields of the file extension; a folder has neither a size nor a checksum there."""
    if path.is_dir():
        return {}
    checksum: Checksum = compute_checksum(path)
    return {"file:size": path.stat().st_size, "file:checksum": checksum.multihash}


def _choose_roles(member: CatalogFile, group: list[_Member]) -> list[str]:
    """Return the roles of a file; a picture next to data is its overview."""
    picture = member.path.lower().endswith(_PICTURES)
    return ["overview"] if picture and len(group) > 1 and member.roles == ("data",) else list(member.roles)


def _choose_key(member: CatalogFile, taken: Mapping[str, Any]) -> str:
    """Return a unique key for an asset: its extension, else its name."""
    ending = PurePosixPath(member.path).suffix.lstrip(".").lower() or "data"
    return ending if ending not in taken else PurePosixPath(member.path).name
