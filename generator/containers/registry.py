"""Push images to a registry, and pull them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import docker.errors

from generator.containers.engine import open_client
from generator.containers.registry_session import Login, auth_config, read_challenge, registry_session
from generator.network.addresses import is_loopback, resolve_checked
from generator.shared.errors import PublishError

_PAUSES = (2, 10)
"""Seconds before each new attempt at a push."""
_TEMPORARY_WORDS = (
    r"\bHTTP (status: )?(429|5\d\d)\b|status code (429|5\d\d)\b|toomanyrequests|connection reset|broken pipe|\bEOF\b"
)


def push(reference: str, target: str, *, login: Login | None, on_line: Callable[[str], None]) -> str:
    """Push the image ``reference`` as ``target`` (``registry/name:tag``); return its digest in the registry.

    A server error of the registry is temporary, for example while another job pushes the same layers: the push is
    repeated after the pauses of `_PAUSES`.

    Raises:
        PublishError: the registry rejects the image; the message quotes it.
    """
    name, _, tag = target.rpartition(":")
    _check_engine(target, login)
    with open_client() as client:
        for pause in (*_PAUSES, None):
            try:
                client.images.get(reference).tag(name, tag=tag)
                lines = client.api.push(name, tag=tag, stream=True, decode=True, auth_config=auth_config(login))
                return _follow_push(lines, on_line)
            except (docker.errors.APIError, _PushFailedError) as error:
                cause = str(getattr(error, "explanation", "") or error).strip()
            if pause is None or not _is_temporary(cause):
                break
            on_line(f"{cause}; trying again in {pause} s")
            time.sleep(pause)
    raise PublishError(_describe_failure(target, cause))


class _PushFailedError(Exception):
    """The engine reports the failure of a push; the message is its cause."""


def _is_temporary(cause: str) -> bool:
    """Check for a server error (RFC 9110, 15.6), a limit (RFC 6585) or a broken connection in the engine's words."""
    return bool(re.search(_TEMPORARY_WORDS, cause, re.IGNORECASE))


def pull(target: str, *, login: Login | None) -> bool:
    """Pull ``registry/name:tag`` or ``registry/name@digest`` into the engine; return whether that succeeded."""
    _check_engine(target, login)
    with open_client() as client:
        for pause in (_PAUSES[0], None):
            try:
                client.images.pull(target, auth_config=auth_config(login))
            except docker.errors.APIError as error:
                if pause is None or not _is_temporary(str(error.explanation or error)):
                    return False
                time.sleep(pause)
            else:
                return True
    return False


def _check_engine(target: str, login: Login | None) -> None:
    """Refuse a registry that refers the engine to a private address for its login: no proxy guards the engine.

    Raises:
        PublishError: the registry does not answer, or its login is at a private address.
    """
    import requests

    if not login or not login.guarded:
        return
    host = target.partition("/")[0]
    plain = is_loopback(host.partition(":")[0])
    try:
        with registry_session(login, plain=plain) as session:
            realm = re.search(r'realm="([^"]*)"', read_challenge(session, host, plain=plain))
        if realm and "://" in realm[1]:
            resolve_checked(urlsplit(realm[1]).hostname or "", login.reachable)
    except (requests.RequestException, ValueError, OSError) as error:
        raise PublishError(f"{target}: the registry cannot be used: {error}") from None


def _follow_push(lines: Any, on_line: Callable[[str], None]) -> str:
    """Report each layer once when it is pushed; return the image's digest from the last line.

    Raises:
        _PushFailedError: the engine reports a failure, or no digest.
    """
    reported: set[tuple[str, str]] = set()
    digest = ""
    for line in lines:
        if "error" in line:
            raise _PushFailedError(str(line["error"]))
        digest = _find_digest(line) or digest
        if found := re.search(r"digest: (sha256:[0-9a-f]{64})", str(line.get("status", ""))):
            digest = digest or found[1]  # Podman has the digest in the status text alone
        layer, status = str(line.get("id", "")), str(line.get("status", ""))
        if layer and status in ("Pushed", "Layer already exists") and (layer, status) not in reported:
            reported.add((layer, status))
            on_line(f"{layer}: {status.lower()}")
    if not digest:
        raise _PushFailedError("the registry returned no digest")
    return digest


def _find_digest(line: Mapping[str, Any]) -> str:
    extra = line.get("aux")
    return str(extra.get("Digest", "")) if isinstance(extra, dict) else ""


def _describe_failure(target: str, cause: str) -> str:
    registry = target.split("/", maxsplit=1)[0]
    message = f"{target}: the image cannot be pushed: {cause.strip()}"
    if any(word in cause.lower() for word in ("denied", "unauthorized", "authentication", "no basic auth")):
        message += (
            f"\n  log in with 'docker login {registry}', or set PACKMILL_REGISTRY_USER and PACKMILL_REGISTRY_PASSWORD"
        )
    return message
