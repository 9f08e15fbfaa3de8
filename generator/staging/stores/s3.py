"""S3, with boto3: keys, profiles, roles, the machine's own role, or unsigned."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from generator.shared.failures import BadInputsError
from generator.staging import checksums, urls
from generator.staging.checksums import Checksum
from generator.staging.network.credentials import Credentials
from generator.staging.network.guard import Guard, NoGuard
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location
from generator.staging.stores import (
    ChangedError,
    Download,
    TransientError,
    Validator,
    check_number_listed,
    no_validator,
    parse_content_range,
)
from generator.staging.stores.s3_errors import translate_s3_errors

_BLOCK = 256 * 1024
"""Bytes of a read: botocore waits for all of them, and loses those before a stall."""


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Access:
    """Access to an S3 server: fields of the record."""

    region: str | None = None
    endpoint: str | None = None
    role: str | None = None
    profile: str | None = None
    unsigned: bool = False
    """Send unsigned requests if there are no keys."""


def open_store(network: NetworkSettings, credentials: Credentials, location: Location) -> S3Store:
    """Return the S3 of a record.

    Raises:
        BadInputsError: boto3 is not installed.
    """
    try:
        import boto3  # noqa: F401 - the store imports it only when it connects
    except ImportError:
        raise BadInputsError("s3:// needs boto3: pip install 'packmill[staging]'") from None
    record = location.record
    access = S3Access(
        region=record.get("region_name"),
        endpoint=record.get("endpoint_url"),
        role=record.get("role_arn"),
        profile=record.get("source_profile") or record.get("profile"),
        unsigned=True,
    )
    return S3Store(network, credentials, access)


class S3Store:
    """One account's S3, for reading and writing."""

    has_folders = True

    def __init__(self, network: NetworkSettings, credentials: Credentials, access: S3Access) -> None:
        self._network, self._credentials, self._access = network, credentials, access
        self._client: Any = None
        self._lock = threading.Lock()

    def source(self, url: str, *, checksum: Checksum | None = None, size: int | None = None) -> S3Source:
        """Return the object at an ``s3://`` URL."""
        bucket, key = split_s3_url(url)
        return S3Source(store=self, bucket=bucket, key_name=key, checksum=checksum, size=size)

    def list_folder(self, url: str) -> Iterator[S3Source]:
        """List the objects below ``s3://bucket/folder/``, sorted by key.

        Raises:
            StagingError, TransientError: the bucket cannot be listed.
        """
        bucket, prefix = split_s3_url(url)
        number = 0
        with translate_s3_errors(url):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                entries = page.get("Contents", ())
                number += max(1, len(entries))  # a page may be empty, and name a next one
                check_number_listed(number, url)
                for key, size in ((entry.get("Key"), entry.get("Size")) for entry in entries):
                    if key and not key.endswith("/"):
                        yield S3Source(store=self, bucket=bucket, key_name=key, size=size)

    @property
    def client(self) -> Any:
        """boto3's client, created on first use and shared by threads."""
        with self._lock:
            if self._client is None:
                with translate_s3_errors("s3://"):
                    self._client = self._make_client()
            return self._client

    def _make_client(self) -> Any:
        from botocore import UNSIGNED
        from botocore.config import Config

        if self._access.endpoint:
            self._network.guard.check_name(urlsplit(self._access.endpoint).hostname or "")
        session = self._open_session()
        settings: dict[str, Any] = {
            "connect_timeout": self._network.connect_timeout,
            "read_timeout": self._network.timeout,
            "max_pool_connections": max(10, self._network.parallel * 2),
            "retries": {"mode": "standard", "max_attempts": 3},
        }
        if self._access.endpoint:  # other S3 servers lack new checksums and bucket names as hosts
            settings |= {"request_checksum_calculation": "when_required", "s3": {"addressing_style": "path"}}
        found = self._load_credentials(session)
        found = found and found.get_frozen_credentials()
        if not found:
            if not self._access.unsigned:
                raise BadInputsError(f"no S3 credentials found in {self._describe_credentials_owner()}")
            settings["signature_version"] = UNSIGNED
        return session.create_client(
            "s3",
            region_name=self._access.region or session.get_config_variable("region") or "us-east-1",
            endpoint_url=self._access.endpoint,
            verify=self._network.verify,
            config=Config(**settings),
        )

    def _load_credentials(self, session: Any) -> Any:
        """Load the session's credentials; lift the guard for the address of the machine's own role."""
        if self._credentials.folder or self._access.profile:
            return session.get_credentials()
        guard = self._network.guard
        with guard.suspend():
            found = session.get_credentials()
        _refresh_without(guard, found)
        return found

    def _describe_credentials_owner(self) -> str:
        if self._access.profile:
            return f"profile {self._access.profile!r}"
        return "the configuration folder" if self._credentials.folder else "the record, the environment or ~/.aws"

    def _open_session(self) -> Any:
        from botocore.session import Session

        session = Session(profile=self._access.profile)
        config = self._credentials.file("config", ".aws/config")
        shared = self._credentials.file("credentials", ".aws/credentials")
        if config or shared:
            session.set_config_variable("config_file", str(config or os.devnull))
            session.set_config_variable("credentials_file", str(shared or os.devnull))
        if not isinstance(self._network.guard, NoGuard):
            # an untrusted configuration could name a program to run and servers to connect to
            session.set_config_variable("ignore_configured_endpoint_urls", True)  # noqa: FBT003
            session.get_component("credential_provider").remove("custom-process")
        if bool(self._credentials.aws_access_key_id) != bool(self._credentials.aws_secret_access_key):
            raise BadInputsError("S3 keys: the key ID or the secret key is missing; give both")
        if self._credentials.has_keys and not self._access.profile:
            session.set_credentials(
                self._credentials.aws_access_key_id,
                self._credentials.aws_secret_access_key,
                self._credentials.aws_session_token,
            )
        if self._access.role:
            self._assume_role(session, self._access.role)
        return session

    def _assume_role(self, session: Any, role: str) -> None:
        """Assume a role with the session's credentials, renewed before they expire (botocore's own fetcher)."""
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

        source = self._load_credentials(session)
        if not source:
            raise BadInputsError(f"no credentials to assume {role} found in {self._describe_credentials_owner()}")
        region = self._access.region or session.get_config_variable("region") or "us-east-1"

        def make(service: str, **settings: Any) -> Any:
            return session.create_client(service, region_name=region, verify=self._network.verify, **settings)

        fetcher = AssumeRoleCredentialFetcher(
            client_creator=make, source_credentials=source, role_arn=role, extra_args={"RoleSessionName": "packmill"}
        )
        taken = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
        session._credentials = taken  # noqa: SLF001 - botocore offers no other way to set refreshable credentials


def _refresh_without(guard: Guard, credentials: Any) -> None:
    """Lift the guard when keys of the machine's role are renewed, in the thread of a request, before they expire."""
    from botocore.credentials import RefreshableCredentials

    if type(credentials) is not RefreshableCredentials:  # others, such as of an assumed role, come from a public server
        return
    refresh = credentials._refresh_using  # noqa: SLF001 - botocore offers no other way

    def refresh_without_guard() -> Any:
        with guard.suspend():
            return refresh()

    credentials._refresh_using = refresh_without_guard  # noqa: SLF001


@dataclass(frozen=True, kw_only=True)
class S3Source:
    """An object in a bucket."""

    store: S3Store = field(repr=False)
    bucket: str
    key_name: str
    checksum: Checksum | None = None
    size: int | None = None

    @property
    def url(self) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key_name}"

    @property
    def key(self) -> str:
        """The URL, with the endpoint if it is not AWS."""
        endpoint = self.store._access.endpoint  # noqa: SLF001 - a source is the store's own
        return f"{self.url} at {urls.canonical(endpoint)}" if endpoint else self.url

    @property
    def name(self) -> str:
        """The last component of the key."""
        return self.key_name.rpartition("/")[2]

    def open(self, offset: int = 0, *, expected: Validator = no_validator, known: Validator = no_validator) -> Download:
        """See `Source.open`: GetObject with Range and IfMatch, or IfNoneMatch."""
        request: dict[str, Any] = {"Bucket": self.bucket, "Key": self.key_name}
        if offset:
            request["Range"] = f"bytes={offset}-"
            if expected.etag:
                request["IfMatch"] = expected.etag
        if known.etag:
            request["IfNoneMatch"] = known.etag
        with translate_s3_errors(self.url):
            answer = self.store.client.get_object(**request)
        start, size = _read_range(answer)
        if start not in (0, offset):
            raise ChangedError
        etag = answer.get("ETag", "")
        found = checksums.checksum_from_etag(etag, encryption=answer.get("ServerSideEncryption", ""))
        return Download(
            stream=_BodyStream(answer["Body"], self.url),
            offset=start,
            size=size,
            validator=Validator(etag=etag),
            checksums=(found,) if found else (),
        )


def _read_range(answer: Mapping[str, Any]) -> tuple[int, int | None]:
    """Read the first byte and the whole size of an answer."""
    if "ContentRange" not in answer:
        return 0, answer.get("ContentLength")
    found = parse_content_range(answer["ContentRange"])
    if found is None:
        raise TransientError("the store sent a partial answer without a valid Content-Range")
    return found


class _BodyStream:
    def __init__(self, body: Any, url: str) -> None:
        self._body, self._url = body, url

    def read(self, size: int, /) -> bytes:
        with translate_s3_errors(self._url):
            return bytes(self._body.read(min(size, _BLOCK)))

    def close(self) -> None:
        self._body.close()


def split_s3_url(url: str) -> tuple[str, str]:
    """Return bucket and key of an ``s3://`` URL.

    Raises:
        BadInputsError: the URL has another scheme or no bucket.
    """
    bucket, _, key = url.partition("://")[2].partition("/")
    if urls.scheme(url) != "s3" or not bucket:
        raise BadInputsError(f"{urls.redact(url)!r}: write it as s3://bucket/key")
    return bucket, key
