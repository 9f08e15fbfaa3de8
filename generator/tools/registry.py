"""Images to a registry: pushed under a name of it, known from then on by digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker.errors

from generator.errors import PublishError
from generator.tools.engine import connected


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """Who pushes; without one the engine's own configuration file decides (``docker login``)."""

    user: str
    password: str = field(repr=False)


def push(reference: str, target: str, *, login: Login | None, on_line: Callable[[str], None]) -> str:
    """Pushes the image ``reference`` as ``target`` (``registry/name:tag``); its digest in the registry.

    Raises:
        PublishError: the registry did not take it; the message has its own words.
    """
    name, _, tag = target.rpartition(":")
    auth = {"username": login.user, "password": login.password} if login else None
    with connected() as client:
        try:
            client.images.get(reference).tag(name, tag=tag)
            lines = client.api.push(name, tag=tag, stream=True, decode=True, auth_config=auth)
            return _followed(lines, target, on_line)
        except docker.errors.APIError as error:
            raise PublishError(_failure(target, str(error.explanation or error))) from None


def _followed(lines: Any, target: str, on_line: Callable[[str], None]) -> str:
    """Tells each layer once when it begins and once when it is there; the digest of the last line."""
    told: set[tuple[str, str]] = set()
    digest = ""
    for line in lines:
        if "error" in line:
            raise PublishError(_failure(target, str(line["error"])))
        digest = _digest(line) or digest
        layer, status = str(line.get("id", "")), str(line.get("status", ""))
        if layer and status in ("Pushed", "Layer already exists") and (layer, status) not in told:
            told.add((layer, status))
            on_line(f"{layer}: {status.lower()}")
    if not digest:
        raise PublishError(_failure(target, "the registry gave no digest"))
    return digest


def _digest(line: Mapping[str, Any]) -> str:
    extra = line.get("aux")
    return str(extra.get("Digest", "")) if isinstance(extra, dict) else ""


def _failure(target: str, cause: str) -> str:
    registry = target.split("/", maxsplit=1)[0]
    message = f"{target}: the image could not be pushed: {cause.strip()}"
    if any(word in cause.lower() for word in ("denied", "unauthorized", "authentication", "no basic auth")):
        message += (
            f"\n  log in with 'docker login {registry}', or set PACKMILL_REGISTRY_USER and PACKMILL_REGISTRY_PASSWORD"
        )
    return message
