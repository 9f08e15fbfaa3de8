"""Errors of botocore as this package's own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from generator.shared.failures import BadInputsError, RunFailedError, StagingError
from generator.staging.network.guard import ForbiddenAddressError, find_cause, find_forbidden_address
from generator.staging.stores import ChangedError, NotModifiedError, TransientError

_TRANSIENT = {"InternalError", "RequestTimeout", "RequestTimeTooSkewed", "ServiceUnavailable", "SlowDown", "Throttling"}
_ADVICE = {
    "AccessDenied": "access denied to these keys",
    "ExpiredToken": "the session's keys have expired; get new ones",
    "ExpiredTokenException": "the session's keys have expired; get new ones",
    "TokenRefreshRequired": "the session's keys have expired; get new ones",
    "InvalidAccessKeyId": "unknown key ID",
    "SignatureDoesNotMatch": "the secret key does not match the key ID",
    "NoSuchBucket": "bucket not found",
    "NoSuchKey": "object not found",
    "404": "object not found",
    "403": "access denied to these keys",
    "400": "the keys are refused",
    "PermanentRedirect": "the bucket is in another region; give it as region_name",
}


@contextmanager
def translate_s3_errors(url: str) -> Iterator[None]:
    """Raise botocore's errors as this package's own, with the URL in the message.

    Raises:
        NotModifiedError, ChangedError: The content is the known one, or is not the expected one.
        TransientError: Another attempt may succeed.
        BadInputsError: The AWS profile does not exist.
        StagingError: The store refuses the request.
    """
    try:
        yield
    except Exception as error:
        _raise_translated(error, url)
        raise


def _raise_translated(error: BaseException, url: str) -> None:
    import botocore.exceptions as of
    from botocore.parsers import ResponseParserError

    if isinstance(error, RunFailedError):
        return
    if type(error).__name__ == "S3UploadFailedError":  # boto3's wrapper around the real one
        error = find_cause(error, of.ClientError) or find_cause(error, of.BotoCoreError) or error.__context__ or error
    if isinstance(error, ForbiddenAddressError):
        raise StagingError(f"{url}: {error}") from None
    if isinstance(error, of.ProfileNotFound):
        raise BadInputsError(f"profile {error.kwargs['profile']!r} is not in AWS's configuration") from None
    if isinstance(error, of.ClientError):
        _raise_refusal(error, url)
    if find_cause(error, ssl.SSLCertVerificationError):
        raise StagingError(f"{url}: certificate verification failed; give your certificates with --ca-bundle") from None
    if isinstance(error, of.HTTPClientError | of.ConnectionError | of.IncompleteReadError | OSError):
        if found := find_forbidden_address(error):
            raise StagingError(f"{url}: {found}") from None
        raise TransientError(_explain_connection_error(error)) from None
    if isinstance(error, of.BotoCoreError):
        raise StagingError(f"{url}: {type(error).__name__}: invalid request") from None
    if isinstance(error, (ValueError, ResponseParserError)):  # botocore's, of a header with another text than a number
        raise StagingError(f"{url}: the store's answer or its address is not valid") from None


def _raise_refusal(error: Any, url: str) -> None:
    answer = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == 304 or code == "304":
        raise NotModifiedError from None
    if status in (412, 416):
        raise ChangedError from None
    if status >= 500 or code in _TRANSIENT:
        raise TransientError(f"the store answers {status} {code}") from None
    raise StagingError(f"{url}: {code}: {_ADVICE.get(code, 'the store refused the request')}") from None


def _explain_connection_error(error: BaseException) -> str:
    text = repr(error)
    for word, meaning in (("refused", "connection refused"), ("imed out", "no answer in time")):
        if word in text:
            return meaning
    return "the store cannot be reached" if "Could not connect" in str(error) else "the connection was cut"
