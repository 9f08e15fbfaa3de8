"""S3 buckets as targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.shared.failures import StagingError
from generator.shared.media_types import media_type
from generator.staging.checksums import checksum_from_etag
from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location
from generator.staging.stores import TransientError
from generator.staging.stores.s3 import S3Store, open_store, split_s3_url
from generator.staging.stores.s3_errors import translate_s3_errors
from generator.staging.transfer.transfer import compute_checksum


def open_target(
    location: Location, network: NetworkSettings, credentials: Credentials, *, inside: Path | None
) -> S3Target:
    """Return the bucket and prefix of a location.

    Raises:
        BadInputsError: boto3 is not installed.
    """
    del inside  # S3 is never local
    top = str(location.addresses[0]).rstrip("/")
    return S3Target(store=open_store(network, credentials, location), top=top)


@dataclass(frozen=True, kw_only=True)
class S3Target:
    """A prefix in a bucket; large files are uploaded in parallel parts (boto3's s3transfer)."""

    store: S3Store
    top: str

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return self.top

    def put(self, file: Path, relative: str, on_bytes: Callable[[int], None]) -> str:
        """Upload a file; S3 shows the object when it is complete."""
        from boto3.s3.transfer import S3Transfer, TransferConfig

        url = f"{self.top}/{relative}"
        bucket, key = split_s3_url(url)
        config = TransferConfig(max_concurrency=4)
        with translate_s3_errors(url):
            transfer = S3Transfer(self.store.client, config=config)
            transfer.upload_file(str(file), bucket, key, callback=on_bytes, extra_args=_upload_arguments(file))
            there = self.store.client.head_object(Bucket=bucket, Key=key)
        self._check(file, there, url, config.multipart_threshold)
        return url

    @staticmethod
    def _check(file: Path, there: dict[str, Any], url: str, in_parts: int) -> None:
        size = file.stat().st_size
        if there["ContentLength"] != size:
            raise TransientError(f"only {there['ContentLength']} of {size} bytes were stored")
        found = checksum_from_etag(there.get("ETag", ""), encryption=there.get("ServerSideEncryption", ""))
        if found and size < in_parts and compute_checksum(file, "md5") != found:
            raise StagingError(f"{url}: the stored object differs from the file: {found}")


def _upload_arguments(file: Path) -> dict[str, str]:
    return {"ContentType": media_type(file.name)}
