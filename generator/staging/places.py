"""From wanted places to sources: which store reads what, and what a folder or a search holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit
from urllib.request import url2pathname

from generator.shared.failures import BadInputsError, StagingError
from generator.staging import checksums, urls
from generator.staging.checksums import Checksum
from generator.staging.network.credentials import Credentials
from generator.staging.network.guard import NoGuard
from generator.staging.network.network import Network
from generator.staging.records import Wanted
from generator.staging.stores import Source, TransientError
from generator.staging.stores.local import LocalSource

_cmr = "cmr.earthdata.nasa.gov"
_page = 2000


@dataclass(frozen=True, slots=True)
class Placed:
    """A file, and its path below the folder that was asked for; '' when it was asked for itself."""

    source: Source
    relative: str = ""
    secondary: tuple[LocalSource, ...] = ()
    """CWL's secondaryFiles of a File at hand."""


@dataclass(slots=True)
class Places:
    """The stores of one step; one for each set of credentials."""

    network: Network
    credentials: Credentials
    _stores: dict[Any, Any] = field(default_factory=dict)

    def placed(self, wanted: Wanted) -> Iterator[Placed]:
        """The files at a place, in its order.

        Raises:
            BadInputsError, StagingError: it is no place that can be read.
        """
        for address in wanted.addresses:
            if wanted.kind == "Local":
                yield from self._local(address)
            elif wanted.kind == "MAAP":
                yield from map(Placed, self._granules(str(address), wanted))
            elif str(address).endswith("/") and urls.scheme(address) not in ("http", "https"):
                yield from self._below(address, wanted)
            else:
                yield Placed(self.source(address, wanted))

    def source(self, url: str, wanted: Wanted, *, checksum: Checksum | None = None, size: int | None = None) -> Source:
        """The file at one URL, read with the rights of the record that led to it.

        Raises:
            BadInputsError: nothing here reads such URLs.
        """
        scheme = urls.scheme(url)
        if scheme in ("", "file"):
            return next(self._local(url)).source
        store = self._store(scheme, wanted)
        found: Source = store.source(url, checksum=checksum or _checksum(wanted), size=size)
        return found

    def _store(self, scheme: str, wanted: Wanted) -> Any:
        kind = scheme if scheme in ("http", "https", "s3") else "other"
        kind = "http" if kind == "https" else kind
        trusted = _trusted(wanted) if kind == "http" else frozenset()
        key = (kind, trusted, json.dumps(dict(wanted.record), sort_keys=True, default=str))
        if key not in self._stores:
            self._stores[key] = self._make_store(kind, trusted, wanted)
        return self._stores[key]

    def _make_store(self, kind: str, trusted: frozenset[Any], wanted: Wanted) -> Any:
        credentials = self.credentials.over(wanted.record)
        if kind == "http":
            from generator.staging.stores.http import HttpStore

            own = wanted.record
            ticket = bool(own.get("maap_pgt")) or wanted.kind == "MAAP"
            return HttpStore(self.network, credentials, trusted=trusted, token=bool(own.get("token")), ticket=ticket)
        if kind == "s3":
            return s3_store(self.network, credentials, wanted)
        from generator.staging.stores.filesystems import FileSystems

        return FileSystems(self.network, credentials)

    def _below(self, url: str, wanted: Wanted) -> Iterator[Placed]:
        store = self._store(urls.scheme(url), wanted)
        try:
            found = list(store.below(url))
        except TransientError as error:
            raise StagingError(f"{urls.shown(url)}: {error}") from None
        if not found:
            raise StagingError(f"{urls.shown(url)}: there is nothing below it")
        top = urls.shown(url)
        yield from (Placed(source, source.url.removeprefix(top)) for source in found)

    def _local(self, address: Any) -> Iterator[Placed]:
        path = _mounted(address)
        if path is None:
            if not isinstance(self.network.guard, NoGuard):
                raise BadInputsError(f"{address}: files of this machine may not be used here")
            path = Path(url2pathname(urlsplit(address).path) if urls.scheme(address) == "file" else str(address))
        if path.is_dir():
            for one in sorted(path.rglob("*")):
                if one.is_file():
                    yield Placed(LocalSource(path=one, name=one.name), str(one.relative_to(path)))
        elif path.is_file():
            name = str(_basename(address) or path.name)
            yield Placed(LocalSource(path=path, name=name), secondary=tuple(_secondary(address)))
        else:
            raise StagingError(f"{path}: there is no such file")

    def _granules(self, collection: str, wanted: Wanted) -> Iterator[Source]:
        """The data of granules (CMR Search API, "Search for Granules")."""
        names = wanted.record.get("granule_name")
        for name in names if isinstance(names, list) else [names]:
            if not name:
                raise BadInputsError("granule_name: the name of a granule is needed, or a list of names")
            yield from self._granule(collection, str(name), wanted)

    def _granule(self, collection: str, name: str, wanted: Wanted) -> Iterator[Source]:
        catalog = urlsplit(_cmr_address(wanted))
        query = {"collection_concept_id": collection, "readable_granule_name": name, "page_size": _page}
        url = urlunsplit(
            (catalog.scheme, catalog.netloc, "/search/granules.json", urlencode(query, quote_via=quote), "")
        )
        from generator.staging.documents import read_json

        answer = read_json(self.source(url, wanted), self.network)
        try:
            entries = answer["feed"]["entry"]
            links = [link for entry in entries for link in entry.get("links", ())]
            found = [str(link["href"]) for link in links if _is_data(link)]
        except (TypeError, KeyError, AttributeError):
            raise StagingError(f"{urls.shown(url)}: the answer is not CMR's") from None
        web = [href for href in found if urls.scheme(href) in ("https", "http")]
        web = web or [href for href in found if urls.scheme(href) == "s3"]
        if not web:
            raise StagingError(f"{name}: no granule of that name has data in {collection} at {catalog.netloc}")
        for href in dict.fromkeys(web):
            yield self.source(href, wanted)


def s3_store(network: Network, credentials: Credentials, wanted: Wanted) -> Any:
    """The S3 that a record means.

    Raises:
        BadInputsError: boto3 is not installed.
    """
    try:
        import boto3  # noqa: F401 - the store imports it only when it connects
    except ImportError:
        raise BadInputsError("s3:// needs boto3: pip install 'packmill[staging]'") from None
    from generator.staging.stores.s3 import S3Access, S3Store

    record = wanted.record
    access = S3Access(
        region=record.get("region_name"),
        endpoint=record.get("endpoint_url"),
        role=record.get("role_arn"),
        profile=record.get("source_profile") or record.get("profile"),
        unsigned=True,
    )
    return S3Store(network, credentials, access)


def _trusted(wanted: Wanted) -> frozenset[Any]:
    """The origins that a record names itself: they may be told its secrets."""
    from generator.staging.stores.origins import origin_of

    named = (
        [_cmr_address(wanted)] if wanted.kind == "MAAP" else [one for one in wanted.addresses if isinstance(one, str)]
    )
    return frozenset(origin_of(one) for one in named if urls.scheme(one) in ("http", "https"))


def _cmr_address(wanted: Wanted) -> str:
    host = str(wanted.record.get("cmr_host") or _cmr)
    return host if urls.scheme(host) else f"https://{host}"


def _checksum(wanted: Wanted) -> Checksum | None:
    """A record's checksum is one file's."""
    text = wanted.record.get("checksum")
    if not text:
        return None
    try:
        return checksums.parse(str(text))
    except ValueError as error:
        raise BadInputsError(f"checksum: {error}") from None


def _is_data(link: Any) -> bool:
    return str(link.get("rel", "")).endswith("/data#") and not link.get("inherited")


def _mounted(address: Any) -> Path | None:
    """The path of a CWL object, where an engine has put it."""
    if isinstance(address, dict) and isinstance(address.get("path"), str):
        return Path(address["path"])
    if isinstance(address, dict):
        raise BadInputsError("a File or Directory without a path: run the step by a CWL engine")
    return None


def _secondary(address: Any) -> Iterator[LocalSource]:
    for one in (address.get("secondaryFiles") or ()) if isinstance(address, dict) else ():
        path = _mounted(one)
        if path and path.is_file():
            yield LocalSource(path=path, name=str(_basename(one) or path.name))


def _basename(address: Any) -> str | None:
    return address.get("basename") if isinstance(address, dict) else None
