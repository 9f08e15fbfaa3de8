"""Requests to a registry: repeated if their failure is temporary, and never without limits of time and size."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from generator.shared.retry_after import read_retry_after

TEMPORARY = frozenset((429, 500, 502, 503, 504))
"""Statuses after which the same request may succeed (RFC 9110, 15.6; RFC 6585)."""
UNFIT_ANSWERS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading an answer raises that is not what was requested: not JSON, nested thousands deep, an infinite size."""
_PAUSES = (0.5, 2.0, 8.0)
"""Seconds before each new attempt."""
_LONGEST_WAIT = 60.0
_TIMEOUTS = (10.0, 120.0)
"""Seconds to connect, and without a byte of the answer."""
_LONGEST = 1800.0
"""Seconds of a request, whose body may be a large artifact."""
_LARGEST = 32 << 20
"""Bytes of an answer; manifests have at most 4 MiB, and signed payloads are the largest blobs that are read whole."""


def make_patient(registry: Any) -> None:
    """Replace the requests of an oras registry by requests that are repeated.

    oras 0.2.43 has no time limit, and repeats nothing but the status 500, for two minutes, also without a password.
    """
    once = type(registry).do_request
    once = getattr(once, "__wrapped__", once)
    limit_answers(registry.session)
    registry.session.request = partial(registry.session.request, timeout=_TIMEOUTS)

    def do_request(url: str, method: str = "GET", **options: Any) -> Any:
        return repeat(lambda: once(registry, url, method, **options))

    registry.do_request = do_request


def limit_answers(session: Any) -> None:
    """Let a session of ``requests`` fail as soon as an answer, or a redirect, has more than 32 MiB, or takes too long.

    The content of an answer that the caller streams has no limit. The error is a ``requests.RequestException``.
    """
    from generator.network.time_limits import make_endable

    make_endable(session)
    session.hooks["response"].append(_read_bounded)
    session.request = partial(_request_in_time, session, session.request)


def _request_in_time(session: Any, request: Callable[..., Any], *args: Any, **options: Any) -> Any:
    from generator.network.time_limits import time_limit

    with time_limit(session, _LONGEST):
        return request(*args, **options)


def _read_bounded(answer: Any, *_: Any, stream: bool = False, **_options: Any) -> None:
    import requests

    if stream and not answer.is_redirect:
        return
    content = bytearray()
    for chunk in answer.iter_content(1 << 16):
        content += chunk
        if len(content) > _LARGEST:
            answer.close()
            raise requests.RequestException(f"the registry's answer has more than {_LARGEST >> 20} MiB")
    answer._content = bytes(content)  # noqa: SLF001 - where requests itself puts a body that it reads


def repeat(request: Callable[[], Any], *, broken: bool = True) -> Any:
    """Send a request until its answer is not a temporary failure, or attempts are used up; return the last answer.

    Args:
        request: sends it; sending it twice must do no harm.
        broken: whether a connection that breaks is temporary, too.

    Raises:
        requests.RequestException: the last attempt has no answer.
    """
    import requests

    for pause in (*_PAUSES, None):
        try:
            answer = request()
        except requests.exceptions.SSLError:
            raise
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            if pause is None or not broken:
                raise
            time.sleep(pause)
            continue
        wait = read_retry_after(answer.headers.get("Retry-After")) or 0.0
        if answer.status_code not in TEMPORARY or pause is None or wait > _LONGEST_WAIT:
            return answer
        time.sleep(max(pause, wait))
    raise AssertionError("the last attempt returns or raises")


def upload_blob(registry: Any, container: Any, file: Path, descriptor: Mapping[str, Any]) -> None:
    """Upload a file as a blob, again from the start if the registry lost the upload meanwhile.

    Raises:
        ValueError: the registry refuses it.
    """
    answer = registry.upload_blob(str(file), container, dict(descriptor))
    if answer.status_code in (404, 416):  # distribution specification, "Pushing a blob in chunks"
        answer = registry.upload_blob(str(file), container, dict(descriptor))
    require_success(answer)


def require_success(answer: Any) -> None:
    """Check the status of an answer.

    Raises:
        ValueError: it is a failure.
    """
    if answer.status_code not in (200, 201, 202):
        raise ValueError(f"{answer.status_code} {answer.reason}: {answer.text[:200]}")
