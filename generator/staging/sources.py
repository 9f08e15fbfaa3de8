"""The files at a location: one file, a folder, or the results of a search."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from generator.shared.failures import BadInputsError, StagingError
from generator.shared.folder_levels import paths_below, too_deep
from generator.staging import checksums, cmr, urls
from generator.staging.checksums import Checksum
from generator.staging.documents import DocumentTotal, read_json
from generator.staging.network.credentials import Credentials
from generator.staging.network.guard import NoGuard
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location
from generator.staging.stores import Source, Store, TransientError
from generator.staging.stores.local import LocalSource
from generator.staging.stores.origins import trusted_origins
from generator.staging.stores.registry import open_store, store_module

LOCAL = ("", "file")
"""Schemes of local addresses."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to fetch, and its path below the requested folder, '' if the file itself was requested."""

    source: Source
    relative: str = ""
    secondary: tuple[LocalSource, ...] = ()
    """CWL's secondaryFiles of a local File."""


@dataclass(slots=True)
class SourceFinder:
    """Finds the files at locations; keeps one store for each set of credentials."""

    network: NetworkSettings
    credentials: Credentials
    stac_total: DocumentTotal = field(default_factory=DocumentTotal)
    """The STAC documents that were read at all locations."""
    _stores: dict[Any, Store] = field(default_factory=dict)

    def list_files(self, location: Location) -> Iterator[SourceFile]:
        """List the files at a location, in order.

        Raises:
            BadInputsError: the location is invalid.
            StagingError: the location cannot be read, or has no files.
        """
        for address in location.addresses:
            if location.kind == "Local":
                yield from self._list_local(address)
            elif location.kind == "MAAP":
                yield from map(SourceFile, self._find_granules(str(address), location))
            elif str(address).endswith("/") and self._store(urls.scheme(address), location).has_folders:
                yield from self._list_folder(address, location)
            else:
                yield SourceFile(self.source(address, location))

    def source(
        self, url: str, location: Location, *, checksum: Checksum | None = None, size: int | None = None
    ) -> Source:
        """Return the file at a URL, opened with the credentials of the location's record.

        Raises:
            BadInputsError: no store reads such URLs, or a package is not installed.
            StagingError: a local file is missing, or is a folder.
        """
        scheme = urls.scheme(url)
        if scheme in LOCAL:
            if self.local_path(url).is_dir():
                raise StagingError(f"{url}: a folder, not a file")
            return next(self._list_local(url)).source
        store = self._store(scheme, location)
        return store.source(url, checksum=checksum or _read_checksum(location), size=size)

    def _store(self, scheme: str, location: Location) -> Store:
        record = json.dumps(dict(location.record), sort_keys=True, default=str)
        key = (store_module(scheme), trusted_origins(location), record)
        if key not in self._stores:
            self._stores[key] = open_store(scheme, self.network, self.credentials, location)
        return self._stores[key]

    def _list_folder(self, url: str, location: Location) -> Iterator[SourceFile]:
        store = self._store(urls.scheme(url), location)
        found = self._list_with_retries(store, url)
        if not found:
            raise StagingError(f"{urls.redact(url)}: the folder is empty or missing")
        top = urls.redact(url).rstrip("/")
        yield from (SourceFile(source, source.url.removeprefix(top).lstrip("/")) for source in found)

    def _list_with_retries(self, store: Store, url: str) -> list[Source]:
        for attempt in itertools.count(1):
            try:
                return list(store.list_folder(url))
            except TransientError as error:
                if attempt >= self.network.attempts:
                    raise StagingError(f"{urls.redact(url)}: {error} (tried {attempt} times)") from None
                time.sleep(self.network.retry_delay(attempt - 1, requested=error.wait))
        raise AssertionError

    def local_path(self, address: Any) -> Path:
        """Return the path of a local file or folder, from a CWL object, a ``file`` URL or a path.

        Raises:
            BadInputsError: the object has no path, or local files are not allowed.
        """
        path = _engine_path(address)
        if path is not None:
            return path
        if not isinstance(self.network.guard, NoGuard):
            raise BadInputsError(f"{address}: local files are not allowed here")
        return Path(url2pathname(urlsplit(address).path) if urls.scheme(address) == "file" else str(address))

    def _list_local(self, address: Any) -> Iterator[SourceFile]:
        path = self.local_path(address)
        if path.is_dir():
            for one in sorted(paths_below(path, on_deeper=_refuse)):
                if one.is_file():
                    yield SourceFile(LocalSource(path=one, name=one.name), str(one.relative_to(path)))
        elif path.is_file():
            name = str(_read_basename(address) or path.name)
            yield SourceFile(LocalSource(path=path, name=name), secondary=tuple(_list_secondary_files(address)))
        else:
            raise StagingError(f"{path}: file not found")

    def _find_granules(self, collection: str, location: Location) -> Iterator[Source]:
        names = location.record.get("granule_name")
        for name in names if isinstance(names, list) else [names]:
            if not name:
                raise BadInputsError("granule_name: give the name of a granule, or a list of names")
            url = cmr.search_url(collection, str(name), location)
            answer = read_json(self.source(url, location), self.network)
            for href in cmr.read_data_urls(answer, url, collection, str(name)):
                yield self.source(href, location)


def _refuse(folder: Path) -> None:
    raise StagingError(f"{str(folder)[:200]}: {too_deep}")


def _read_checksum(location: Location) -> Checksum | None:
    """Return the checksum in a location's record.

    Raises:
        BadInputsError: the checksum is invalid.
    """
    text = location.record.get("checksum")
    if not text:
        return None
    try:
        return checksums.parse_checksum(str(text))
    except ValueError as error:
        raise BadInputsError(f"checksum: {error}") from None


def _engine_path(address: Any) -> Path | None:
    """Return the path to which an engine mounted a CWL object, None for other addresses.

    Raises:
        BadInputsError: the object has no path.
    """
    if isinstance(address, dict) and isinstance(address.get("path"), str):
        return Path(address["path"])
    if isinstance(address, dict):
        raise BadInputsError("a File or Directory without a path; run the step with a CWL engine")
    return None


def _list_secondary_files(address: Any) -> Iterator[LocalSource]:
    """List the secondary files of a CWL File, and theirs.

    Raises:
        BadInputsError: one of them is a folder, or has no path.
    """
    for one in (address.get("secondaryFiles") or ()) if isinstance(address, dict) else ():
        path = _engine_path(one)
        if path is None or not path.is_file():
            raise BadInputsError(f"{path or one}: secondaryFiles can only have files; stage in other data by itself")
        yield LocalSource(path=path, name=str(_read_basename(one) or path.name))
        yield from _list_secondary_files(one)


def _read_basename(address: Any) -> str | None:
    return address.get("basename") if isinstance(address, dict) else None
