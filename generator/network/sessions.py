"""HTTP sessions for addresses that a request names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from generator.network.guarded_proxy import guarded_proxy
from generator.shared.safe_text import printable, redacted

if TYPE_CHECKING:
    import requests

_CONNECTION = re.compile(r"^(<[^>]* object at \w+>|\w+\(host=[^)]*\)): ")
"""The object that urllib3 1 and 2 name at the beginning of their errors."""


@contextmanager
def http_session(*, guarded: bool, reachable: tuple[str, ...] = (), plain: bool = False) -> Iterator[requests.Session]:
    """Open a session; a guarded one checks each address, also of redirects, and ignores ``.netrc``.

    Its requests can have time limits (`generator.network.time_limits`).

    Args:
        guarded: reach only public and ``reachable`` addresses.
        reachable: networks and hosts that may be private.
        plain: the address is this machine, without TLS, and was checked before.
    """
    import requests

    from generator.network.time_limits import make_endable  # here, because it imports requests, which takes a while

    with requests.Session() as session, ExitStack() as stack:
        make_endable(session)
        session.verify = session.merge_environment_settings("", {}, None, None, None)["verify"]
        if guarded:
            session.trust_env = False
            if not plain:
                proxy = stack.enter_context(guarded_proxy(reachable))
                session.proxies = {"http": proxy.url, "https": proxy.url}
        yield session


def failure_reason(error: Exception) -> str:
    """Return the innermost cause of a failed request, which has no addresses with secrets."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    cause = getattr(error, "reason", None) or error
    text = _CONNECTION.sub("", str(cause))
    return printable(redacted(text))[:200] or type(error).__name__
