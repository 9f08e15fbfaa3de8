"""The path below which a proxy offers the server, such as ``/services/packmill/user/ada``.

A proxy may pass the path on, as JupyterHub's does, or remove it: both requests reach the same resource.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote, unquote

from generator.shared.failures import BadInputsError

_Scope = MutableMapping[str, Any]
_Application = Callable[[_Scope, Any, Any], Awaitable[None]]
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*")
"""The segments of RFC 3986, section 3.3."""


class BasePath:
    """An ASGI application that finds the resources of another one with and without a path before theirs."""

    def __init__(self, inner: _Application, base: str) -> None:
        """Take the path ``base`` percent-encoded, without a slash at its end."""
        self._inner = inner
        self._base = unquote(base)
        self._raw = base.encode()

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] == "http" and self._base:
            path: str = scope["path"]
            if path != self._base and not path.startswith(f"{self._base}/"):
                scope["path"], scope["raw_path"] = self._base + path, self._raw + scope["raw_path"]
            scope["root_path"] = self._base
        await self._inner(scope, receive, send)


def read_base_url(text: str) -> str:
    """Read ``--base-url``: return it percent-encoded, without a slash at its end; empty for the top.

    Raises:
        BadInputsError: the text is not an absolute path of an address.
    """
    path = quote(text.rstrip("/"), safe="/%?#!$&'()*+,;=:@~")
    if not _PATH.fullmatch(path) or {".", ".."} & set(unquote(path).split("/")) or not unquote(path).isprintable():
        raise BadInputsError(f"--base-url {text!r}: not the path of an address; write it as /services/packmill/")
    return path
