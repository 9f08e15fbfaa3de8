"""Places that results go to: S3, any of fsspec's stores, a local folder. Each puts a file whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from generator.shared.failures import BadInputsError, StagingError
from generator.shared.media_types import media_type
from generator.staging import urls
from generator.staging.checksums import of_etag
from generator.staging.network.credentials import Credentials
from generator.staging.network.network import Network
from generator.staging.places import s3_store
from generator.staging.records import Wanted
from generator.staging.stores import TransientError
from generator.staging.transfer.transfer import digest_of


class Target(Protocol):
    """A destination."""

    @property
    def url(self) -> str:
        """Its address as people may see it."""
        ...

    def put(self, file: Path, relative: str, on_bytes: Callable[[int], None]) -> str:
        """Puts a file at a path below the destination; its URL.

        Raises:
            TransientError: another try may succeed.
            StagingError: no other try will.
        """
        ...


def target(wanted: Wanted, network: Network, credentials: Credentials, *, inside: Path | None) -> Target:
    """The destination of a record; local ones must lie below ``inside`` if that is given.

    Raises:
        BadInputsError: nothing can be put there.
    """
    address = str(wanted.addresses[0])
    if wanted.kind in ("Local", "OGC"):
        return LocalTarget(folder=local_folder(address, inside=inside))
    if wanted.kind == "S3":
        return S3Target(store=s3_store(network, credentials.over(wanted.record), wanted), top=address.rstrip("/"))
    if urls.scheme(address) in ("http", "https"):
        raise BadInputsError(f"{urls.shown(address)}: results are not put on web servers: name a bucket or a folder")
    from generator.staging.stores.filesystems import FileSystems

    return FileSystemTarget(systems=FileSystems(network, credentials.over(wanted.record)), top=address.rstrip("/"))


def local_folder(address: str, *, inside: Path | None) -> Path:
    """A local destination.

    Raises:
        BadInputsError: it lies elsewhere than ``inside``, where an engine would not find it.
    """
    path = Path(address.removeprefix("file://"))
    if inside is None:
        return path.absolute()
    folder = (inside / path).resolve()
    if path.is_absolute() or folder == inside.resolve() or not folder.is_relative_to(inside.resolve()):
        raise BadInputsError(
            f"{address}: a step runs in a container, which cannot write there: give the name of a folder, "
            "such as results, and find it in the engine's --outdir"
        )
    return folder


@dataclass(frozen=True, kw_only=True)
class LocalTarget:
    """A folder."""

    folder: Path

    @property
    def url(self) -> str:
        """Its path."""
        return str(self.folder)

    def put(self, file: Path, relative: str, on_bytes: Callable[[int], None]) -> str:
        """Copies to a name beside the final one, then renames."""
        final = self.folder / relative
        final.parent.mkdir(parents=True, exist_ok=True)
        part = final.with_name(f".{final.name}.part")
        try:
            shutil.copyfile(file, part)
            part.replace(final)
        finally:
            part.unlink(missing_ok=True)
        on_bytes(file.stat().st_size)
        return str(final)


@dataclass(frozen=True, kw_only=True)
class S3Target:
    """A prefix of a bucket; large files go in parts, several at a time (boto3's s3transfer)."""

    store: Any
    top: str

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return self.top

    def put(self, file: Path, relative: str, on_bytes: Callable[[int], None]) -> str:
        """An object appears when all of it has come."""
        from boto3.s3.transfer import S3Transfer, TransferConfig

        from generator.staging.stores.s3 import split, told

        url = f"{self.top}/{relative}"
        bucket, key = split(url)
        config = TransferConfig(max_concurrency=4)
        with told(url):
            transfer = S3Transfer(self.store.client, config=config)
            transfer.upload_file(str(file), bucket, key, callback=on_bytes, extra_args=_described(file))
            there = self.store.client.head_object(Bucket=bucket, Key=key)
        self._check(file, there, url, config.multipart_threshold)
        return url

    @staticmethod
    def _check(file: Path, there: dict[str, Any], url: str, in_parts: int) -> None:
        size = file.stat().st_size
        if there["ContentLength"] != size:
            raise TransientError(f"{there['ContentLength']} of {size} bytes are there")
        found = of_etag(there.get("ETag", ""), encryption=there.get("ServerSideEncryption", ""))
        if found and size < in_parts and digest_of(file, "md5") != found:
            raise StagingError(f"{url}: what is there differs from the file: {found}")


def _described(file: Path) -> dict[str, str]:
    return {"ContentType": media_type(file.name)}


@dataclass(frozen=True, kw_only=True)
class FileSystemTarget:
    """A folder of one of fsspec's file systems."""

    systems: Any
    top: str

    @property
    def url(self) -> str:
        """Without user and password."""
        return urls.shown(self.top)

    def put(self, file: Path, relative: str, on_bytes: Callable[[int], None]) -> str:
        """Object stores show a file when it is whole; elsewhere it gets its name at the end."""
        from generator.staging.stores.filesystems import named

        address = f"{self.top}/{relative}"
        system, path = self.systems.find(address)
        with named(address):
            whole = urls.scheme(address) in ("gs", "gcs", "abfs", "abfss", "az", "memory")
            place = path if whole else f"{path}.part"
            if not whole:
                _make_folder(system, path.rpartition("/")[0])
            system.put_file(str(file), place)
            if not whole:
                if system.exists(path):
                    system.rm_file(path)
                system.mv(place, path)
            system.invalidate_cache()
            size = system.info(path).get("size")
        if size is not None and size != file.stat().st_size:
            raise TransientError(f"{size} of {file.stat().st_size} bytes are there")
        on_bytes(file.stat().st_size)
        return urls.shown(address)


def _make_folder(system: Any, folder: str) -> None:
    """Servers differ in what they say of a folder that is there, or that another thread makes just now."""
    try:
        system.makedirs(folder, exist_ok=True)
    except Exception:
        system.invalidate_cache()
        if not system.isdir(folder):
            raise
