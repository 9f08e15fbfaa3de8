"""Whose home a request of the guide is about: a name in its path, in its body, or the path of a notebook."""

from __future__ import annotations

from urllib.parse import unquote

from fastapi import Request

from generator.runner.server.hub.accounts import owner_of_path
from generator.runner.server.hub.context import hub_context
from generator.runner.server.hub.scopes import Caller
from generator.runner.server.problems import ProblemError
from generator.runner.server.values.strict_json import read_json_object

_LONGEST_PATH = 4096
"""Bytes of a path on Linux (PATH_MAX)."""


def segments(request: Request) -> list[str]:
    """Return the segments of a request's path below the service, percent-encoded as they were sent.

    The path that the framework has is decoded: ``%2F`` in a name would divide it.
    """
    path: str = request.scope["raw_path"].decode("ascii", "replace").partition("?")[0]
    return path.removeprefix(hub_context(request).base_url).removeprefix("/").split("/")


def decoded_username(segment: str) -> str:
    """Return the user that a segment of a path names.

    Raises:
        ProblemError: 404, it cannot be a name.
    """
    name = unquote(segment, errors="replace")
    if not name or "/" in name or not name.isprintable():
        raise ProblemError(404, f"user {name!r}: no such user")
    return name


def username_of_body(request: Request, body: bytes, caller: Caller) -> str:
    """Return the user whose notebook a request runs: ``username``, the owner of ``input_path``, or the caller.

    Raises:
        ProblemError: 400, a service has to name a user, the path is too long, or the body is not a JSON object.
    """
    document = read_json_object(body)
    name, path = document.get("username"), document.get("input_path")
    if isinstance(name, str) and name:
        return name
    if isinstance(path, str) and len(path) > _LONGEST_PATH:
        raise ProblemError(400, f"input_path: more than {_LONGEST_PATH} characters")
    owner = owner_of_path(path, hub_context(request).home) if isinstance(path, str) else None
    if owner is None and caller.kind != "user":
        raise ProblemError(400, "username: missing; a service has no home of its own")
    return owner or caller.name
