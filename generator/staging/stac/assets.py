"""STAC as a source: the Items at a URL, their assets, and a catalog of the fetched ones (pystac)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin

from generator.shared import contract
from generator.shared.failures import BadInputsError, StagingError
from generator.shared.safe_names import safe_name
from generator.staging import checksums, urls
from generator.staging.checksums import Checksum
from generator.staging.documents import read_json
from generator.staging.file_names import make_distinct
from generator.staging.records import Location
from generator.staging.sources import LOCAL, SourceFinder
from generator.staging.stac.catalog import staged_in
from generator.staging.stac.writing import ROOT, write_documents
from generator.staging.stores import Source

_REMOTE = frozenset("http https s3 gs gcs abfs abfss az ftp sftp".split())
_MOST_DOCUMENTS = 10_000
"""Maximum number of documents that one URL may lead to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetFile:
    """A selected asset: its Item, its key there, and its path below the folder."""

    item: Any
    key: str
    source: Source
    relative: str


class StacReader:
    """Reads the STAC documents of one location."""

    def __init__(self, location: Location, finder: SourceFinder) -> None:
        """Import pystac.

        Raises:
            BadInputsError: pystac is not installed.
        """
        try:
            import pystac
        except ImportError:
            raise BadInputsError("STAC needs pystac: pip install 'packmill[staging]'") from None
        self._pystac, self._location, self._finder = pystac, location, finder
        self._keys = _read_words(location.record.get("assets"))
        self._roles = _read_words(location.record.get("roles"))

    def assets(self) -> list[AssetFile]:
        """List the selected assets of all Items, in order.

        Raises:
            StagingError: a document cannot be read, or no asset is selected.
        """
        try:
            found = self._find_assets()
        except (AttributeError, TypeError, KeyError, ValueError, ArithmeticError, RecursionError) as error:
            raise StagingError(f"{self._describe_location()}: not valid STAC ({type(error).__name__})") from None
        return found

    def _find_assets(self) -> list[AssetFile]:
        found: list[AssetFile] = []
        items = [pair for address in self._location.addresses for pair in self._find_items(str(address))]
        folders = make_distinct([safe_name(str(item.id), otherwise="item") for item, _ in items])
        for (item, url), folder in zip(items, folders, strict=True):
            chosen = [(key, asset) for key, asset in item.assets.items() if self._is_selected(key, asset)]
            item.assets = dict(chosen)
            plain = [safe_name(urls.file_name(asset.href), otherwise=safe_name(key)) for key, asset in chosen]
            for (key, asset), name in zip(chosen, make_distinct(plain), strict=True):
                source = self._find_source(asset, url)
                found.append(AssetFile(item=item, key=key, source=source, relative=f"{folder}/{name}"))
        if not found:
            raise StagingError(f"{self._describe_location()}: {self._describe_empty_selection(len(items))}")
        return found

    def _describe_location(self) -> str:
        return ", ".join(urls.redact(str(address)) for address in self._location.addresses)

    def _describe_empty_selection(self, items: int) -> str:
        if not items:
            return "no STAC Items found"
        return f"no asset of its {items} Items has the keys {self._keys or 'asked for'} or roles {self._roles}"

    def _is_selected(self, key: str, asset: Any) -> bool:
        by_key = key in self._keys
        by_role = bool(set(asset.roles or ()) & set(self._roles))
        return by_key or by_role or not (self._keys or self._roles)

    def _find_source(self, asset: Any, url: str) -> Source:
        href = _resolve_href(url, str(asset.href))
        _check_reach(url, href)
        size = asset.extra_fields.get("file:size")
        return self._finder.source(
            href,
            self._location,
            checksum=_read_checksum(asset.extra_fields),
            size=size if isinstance(size, int) else None,
        )

    def _find_items(self, address: str) -> Iterator[tuple[Any, str]]:
        """Yield the Items of a document and their URLs: the document itself, its features, or linked Items."""
        waiting, seen = [address], set()
        while waiting:
            url = waiting.pop(0)
            if url in seen:
                continue
            seen.add(url)
            if len(seen) > _MOST_DOCUMENTS:
                raise StagingError(f"{urls.redact(address)}: it leads to more than {_MOST_DOCUMENTS} documents")
            document = self._read_document(url)
            kind = document.get("type")
            if kind == "Feature":
                yield self._parse_item(document, url), url
            elif kind == "FeatureCollection":
                for feature in document["features"]:
                    yield self._parse_item(feature, url), url
                waiting += _find_links(document, url, ("next",))
            elif kind in ("Catalog", "Collection"):
                pages = _find_links(document, url, ("items",))
                waiting[:0] = pages or _find_links(document, url, ("item", "child"))
            else:
                raise StagingError(f"{urls.redact(url)}: not a STAC Item, Collection or Catalog")

    def _read_document(self, url: str) -> dict[str, Any]:
        finder = self._finder
        document = read_json(finder.source(url, self._location), finder.network, finder.stac_total)
        if not isinstance(document, dict):
            raise StagingError(f"{urls.redact(url)}: not a STAC Item, Collection or Catalog")
        return document

    def _parse_item(self, document: Mapping[str, Any], url: str) -> Any:
        """Parse an Item; ignore its own self link, which could redirect relative paths."""
        try:
            return self._pystac.Item.from_dict(dict(document), href=url)
        except Exception as error:  # noqa: BLE001 - pystac raises what its parsing meets
            raise StagingError(f"{urls.redact(url)}: not a STAC Item ({type(error).__name__})") from None


def write_items(folder: Path, files: Sequence[tuple[AssetFile, str]], *, name: str) -> None:
    """Write a self-contained catalog of Items whose assets are at these paths below ``folder``."""
    import pystac

    catalog = pystac.Catalog(
        id=name, description=f"{name}, {staged_in}", catalog_type=pystac.CatalogType.SELF_CONTAINED
    )
    catalog.set_self_href(str(ROOT / contract.catalog_file))
    taken = {path.casefold() for _, path in files} | {contract.catalog_file}
    items: dict[int, tuple[Any, list[tuple[AssetFile, str]]]] = {}
    for one, path in files:
        items.setdefault(id(one.item), (one.item, []))[1].append((one, path))
    for item, mine in items.values():
        place = PurePosixPath(mine[0][1]).parent
        document = str(place / f"{safe_name(str(item.id), otherwise='item')}.json")
        while document.casefold() in taken:
            document = document.removesuffix(".json") + ".item.json"
        taken.add(document.casefold())
        item.clear_links()
        item.collection_id = None  # it has no link to one any more, and STAC wants both or none
        catalog.add_item(item)
        item.set_self_href(str(ROOT / document))
        for one, path in mine:  # last, because pystac changes them with the address of their Item
            item.assets[one.key].href = os.path.relpath(path, place)
    write_documents(folder, catalog)


def _check_reach(base: str, href: str) -> None:
    """Refuse a link from a remote document to a local file.

    Raises:
        StagingError: the link is local, invalid, or of an unknown scheme.
    """
    scheme = urls.scheme(href)
    if scheme not in _REMOTE and not (scheme in LOCAL and urls.scheme(base) in LOCAL):
        raise StagingError(f"{urls.redact(base)}: it leads to {href.partition('?')[0]!r}, which is not followed")
    if wrong := urls.find_problem(href):
        raise StagingError(f"{urls.redact(base)}: {wrong}")


def looks_like_stac(document: Any) -> bool:
    """Return whether a JSON document is STAC."""
    if not isinstance(document, dict):
        return False
    features = document.get("features")
    found = [document, *(features if isinstance(features, list) else ())]
    return any(isinstance(one, dict) and "stac_version" in one for one in found)


def _find_links(document: Mapping[str, Any], url: str, relations: tuple[str, ...]) -> list[str]:
    links = document.get("links") or ()
    found = [
        _resolve_href(url, str(link["href"]))
        for relation in relations
        for link in links
        if isinstance(link, Mapping) and link.get("rel") == relation and link.get("href") and _is_get(link)
    ]
    for href in found:
        _check_reach(url, href)
    return found


def _is_get(link: Mapping[str, Any]) -> bool:
    return str(link.get("method", "GET")).upper() == "GET"


def _resolve_href(base: str | None, href: str) -> str:
    """Resolve an href against its document's URL; ``urljoin`` resolves relative paths for http only."""
    if urls.scheme(href) or href.startswith("/") or not base:
        return href if urls.scheme(href) or not urls.scheme(base or "") else urljoin(base or "", href)
    if urls.scheme(base) in ("http", "https"):
        return urljoin(base, href)
    top, slash, _ = base.rpartition("/")
    scheme, slashes, path = top.rpartition("://")
    return f"{scheme}{slashes}{os.path.normpath(f'{path}{slash}{href}')}"


def _read_checksum(fields: Mapping[str, Any]) -> Checksum | None:
    """Read ``file:checksum``, or ``checksum:multihash`` of the older extension."""
    for name in ("file:checksum", "checksum:multihash"):
        if isinstance(fields.get(name), str):
            try:
                return checksums.parse_checksum(fields[name])
            except ValueError:
                continue
    return None


def _read_words(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]
