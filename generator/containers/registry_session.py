"""Sessions with a registry: OCI client, HTTP session, and credentials."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from generator.containers.registry_requests import limit_answers, make_patient, repeat
from generator.network.addresses import is_loopback
from generator.network.sessions import http_session

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """Credentials of a registry, which replace those in the engine's configuration file (``docker login``).

    ``guarded`` is for a registry that an untrusted user named: only public and ``reachable`` addresses are requested.
    """

    user: str
    password: str = field(repr=False)
    guarded: bool = False
    reachable: tuple[str, ...] = ()


anonymous = Login(user="", password="")
"""No credentials, not even those in the engine's configuration file."""


def auth_config(login: Login | None) -> dict[str, str] | None:
    """Return the login in the format of the Docker SDK."""
    if login is None:
        return None
    return {"username": login.user, "password": login.password} if login.user else {}


@contextmanager
def open_registry(target: str, login: Login | None) -> Iterator[tuple[Any, Any]]:
    """Open the oras registry and container of a name, logged in."""
    import oras.container
    import oras.provider

    logging.getLogger("oras").setLevel(logging.CRITICAL)  # the exception has the same text
    host = target.partition("/")[0]
    plain = is_loopback(host.partition(":")[0])  # as Docker does
    container = oras.container.Container(target)
    with registry_session(login, plain=plain) as session:
        backend = "basic" if read_challenge(session, host, plain=plain).lower().startswith("basic") else "token"
        registry = oras.provider.Registry(insecure=plain, tls_verify=session.verify, auth_backend=backend)
        make_patient(registry)
        registry.session.proxies, registry.session.trust_env = session.proxies, session.trust_env
        if login and login.user:
            registry.auth.set_basic_auth(login.user, login.password)
        elif login is None:
            registry.auth.load_configs(container)
        yield registry, container


@contextmanager
def registry_session(login: Login | None, *, plain: bool) -> Iterator[requests.Session]:
    """Open a session with a registry, guarded if its login is."""
    guarded = login is not None and login.guarded
    with http_session(guarded=guarded, reachable=login.reachable if login else (), plain=plain) as session:
        limit_answers(session)
        yield session


def read_challenge(session: requests.Session, host: str, *, plain: bool) -> str:
    """Request the authentication challenge of a registry (distribution spec, "Auth")."""
    address = f"{'http' if plain else 'https'}://{host}/v2/"
    answer = repeat(lambda: session.get(address, timeout=30), broken=False)
    return str(answer.headers.get("WWW-Authenticate", ""))


def require_login(registry: Any) -> None:
    """Check that a password is known if the registry requires one; oras fails late, with an AttributeError.

    Raises:
        ValueError: the registry requires a password, and none is known.
    """
    try:
        registry.auth.get_auth_header()
    except AttributeError:
        raise ValueError(
            "a password is required, but missing in the engine's configuration file; set PACKMILL_REGISTRY_USER and "
            "PACKMILL_REGISTRY_PASSWORD, for --verify PACKMILL_REGISTRY_HOST, too"
        ) from None
