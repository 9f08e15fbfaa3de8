"""Notebooks in S3, with boto3 and the credentials of its environment."""

from __future__ import annotations

import itertools
import os
import posixpath
import secrets
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from generator.runner.server.problems import ProblemError
from generator.shared.failures import BadInputsError, StagingError
from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.stores import TransientError
from generator.staging.stores.s3 import S3Access, S3Store, split_s3_url
from generator.staging.stores.s3_errors import translate_s3_errors

_LARGEST = 64 * 1024**2
_MOST_NUMBERED = 1000
_MISSING = ("NoSuchKey", "NoSuchBucket", "404", "NotFound")
_TAKEN = ("PreconditionFailed", "412")
_BUSY = ("ConditionalRequestConflict", "OperationAborted", "409")
"""Another request for the object goes on, perhaps this one's own whose answer was lost (S3, "PutObject")."""
_PAUSES = (0.2, 1.0, 5.0)
"""Seconds before such a request is sent again."""
_MARK = "packmill-write"
"""Metadata by which an object is recognized whose first answer was lost, so that botocore sent it again."""


def read_notebook_object(address: str) -> bytes:
    """Read a notebook.

    Raises:
        ProblemError: 404, the object does not exist; 403, the keys do not allow it; 400, it is too large or boto3 is
            missing; 502, the store does not answer.
    """
    try:
        client = _client()
        bucket, key = split_s3_url(address)
        with translate_s3_errors(address):
            answer = client.get_object(Bucket=bucket, Key=key)
            if answer["ContentLength"] > _LARGEST:
                raise ProblemError(400, f"{address}: more than {_LARGEST // 1024**2} MiB")
            return bytes(answer["Body"].read(_LARGEST))
    except TransientError as error:
        raise ProblemError(502, f"{address}: {error}") from None
    except StagingError as error:
        missing, denied = (any(word in str(error) for word in words) for words in (_MISSING, ("AccessDenied", "403")))
        raise ProblemError(404 if missing else 403 if denied else 502, str(error)) from None
    except BadInputsError as error:
        raise ProblemError(400, str(error)) from None


def write_new_object(file: Path, address: str) -> str:
    """Write a notebook under an address, numbered if the address is taken, and return the address.

    Raises:
        StagingError: the store refuses it, or does not answer.
    """
    data = file.read_bytes()
    for candidate in numbered(address):
        try:
            client = _client()
            with translate_s3_errors(candidate):
                if _put_new(client, candidate, data):
                    return candidate
        except (TransientError, BadInputsError) as error:
            raise StagingError(f"{candidate}: {error}") from None
    raise StagingError(f"{address}: taken {_MOST_NUMBERED} times; choose another name")


def numbered(path: str) -> Iterator[str]:
    """Yield a path, then the path with numbers: ``a.ipynb``, ``a_2.ipynb``, ``a_3.ipynb``."""
    stem, ending = posixpath.splitext(path)
    yield path
    yield from (f"{stem}_{number}{ending}" for number in itertools.islice(itertools.count(2), _MOST_NUMBERED))


def _put_new(client: Any, address: str, data: bytes) -> bool:
    """Write an object unless it exists, and return whether it was written."""
    bucket, key = split_s3_url(address)
    place = {"Bucket": bucket, "Key": key}
    if _mark_of(client, place) is not None:
        return False
    mark = secrets.token_hex(16)
    content = {**place, "Body": data, "ContentType": "application/x-ipynb+json", "Metadata": {_MARK: mark}}
    code = _put(client, content)
    for pause in _PAUSES:
        if code not in _BUSY or _mark_of(client, place) is not None:
            break
        time.sleep(pause)
        code = _put(client, content)
    return not code or _mark_of(client, place) == mark


def _put(client: Any, content: dict[str, Any]) -> str:
    """Write a new object; return the code of the error if it exists or is written at the moment."""
    from botocore.exceptions import ClientError

    try:
        client.put_object(**content, IfNoneMatch="*")
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in (*_TAKEN, *_BUSY):
            return code
        if code not in ("NotImplemented", "501"):
            raise
        client.put_object(**content)
    return ""


def _mark_of(client: Any, place: dict[str, str]) -> str | None:
    """Return the mark of an object, empty for one without a mark; None for a missing object."""
    from botocore.exceptions import ClientError

    try:
        answer = client.head_object(**place)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code", "") in _MISSING:
            return None
        raise
    return str(answer.get("Metadata", {}).get(_MARK, ""))


@cache
def _client() -> Any:
    """Return boto3's client, which threads share.

    Raises:
        BadInputsError: boto3 is not installed.
    """
    try:
        import boto3  # noqa: F401 - the store imports it only when it connects
    except ImportError:
        raise BadInputsError("s3:// needs boto3; run: pip install 'packmill[staging]'") from None
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return S3Store(NetworkSettings(), Credentials(), S3Access(endpoint=endpoint)).client
