"""File systems of fsspec as targets: Google, Azure, FTP, SFTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.shared.failures import BadInputsError
from generator.staging import urls
from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location
from generator.staging.stores import TransientError
from generator.staging.stores.filesystems import FileSystemStore, translate_filesystem_errors
from generator.staging.targets import part_name


def open_target(
    location: Location, network: NetworkSettings, credentials: Credentials, *, inside: Path | None
) -> FileSystemTarget:
    """Return the folder of a location.

    Raises:
        BadInputsError: the location is a web server.
    """
    del inside  # these file systems are never local
    address = str(location.addresses[0])
    if urls.scheme(address) in ("http", "https"):
        raise BadInputsError(f"{urls.redact(address)}: web servers cannot store results; give a bucket or a folder")
    return FileSystemTarget(store=FileSystemStore(network, credentials), top=address.rstrip("/"))


@dataclass(frozen=True, kw_only=True)
class FileSystemTarget:
    """A folder of an fsspec file system."""

    store: FileSystemStore
    top: str

    @property
    def url(self) -> str:
        """The address without user and password."""
        return urls.redact(self.top)

    def put(self, file: Path, relative: str, on_bytes: Callable[[int], None]) -> str:
        """Upload a file; on other stores than object stores, under a temporary name first."""
        address = f"{self.top}/{relative}"
        with self.store.opened(address) as (system, path), translate_filesystem_errors(address):
            whole = urls.scheme(address) in ("gs", "gcs", "abfs", "abfss", "az", "memory")
            folder, slash, name = path.rpartition("/")
            place = path if whole else f"{folder}{slash}{part_name(name)}"
            if not whole:
                _make_folder(system, folder)
            system.put_file(str(file), place)
            if not whole:
                if system.exists(path):
                    system.rm_file(path)
                system.mv(place, path)
            system.invalidate_cache()
            size = system.info(path).get("size")
        if size is not None and size != file.stat().st_size:
            raise TransientError(f"{size} of {file.stat().st_size} bytes were stored")
        on_bytes(file.stat().st_size)
        return f"{self.url}/{relative}"  # a name may have what looks like a secret in an address


def _make_folder(system: Any, folder: str) -> None:
    """Create a folder and its parents, one at a time: another thread may create any of them meanwhile."""
    if not folder.strip("/") or system.isdir(folder):
        return
    _make_folder(system, folder.rpartition("/")[0])
    try:
        system.mkdir(folder, create_parents=False)
    except Exception:
        system.invalidate_cache()
        if not system.isdir(folder):
            raise
