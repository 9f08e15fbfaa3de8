"""Sessions of signed-in users: a signed cookie with a secret, and signed form tokens against CSRF.

The access token itself is in no cookie. A session ends when its user signs out, when its token is revoked or expires,
or after twelve hours. The database has only the digest of its secret.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response

from generator.service.access import client_address
from generator.service.context import Context, context
from generator.service.http_errors import HttpError
from generator.service.store import audit, tokens
from generator.service.store.tokens import Identity
from generator.shared import durable_files

cookie = "packmill_session"
_LIFETIME = 12 * 3600
_KEY = 32


class SignInFirstError(Exception):
    """The page requires signing in; ``address`` is the sign-in page."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


@dataclass(frozen=True, slots=True)
class Session:
    """The user of a page, the token for their forms, and the ID of forms that create something once."""

    identity: Identity
    form_token: str
    submission: str = field(default_factory=lambda: secrets.token_urlsafe(16))


def signing_key(folder: Path) -> bytes:
    """Return the key that signs cookies, created once and stored in the data folder."""
    file = folder / "session.key"
    if not file.is_file() or file.stat().st_size < _KEY:
        new = folder / f"session.key.{os.getpid()}"
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(secrets.token_bytes(_KEY))
        durable_files.replace(new, file)  # since with an empty key anyone could sign cookies
    return file.read_bytes()


def begin(request: Request, response: Response, identity: Identity) -> None:
    """Start a session and set its cookie."""
    audit.note_author(identity.author(client_address(request)))
    expires = int(time.time()) + _LIFETIME
    secret = tokens.begin_session(context(request).pipelines.database, identity, expires_at=expires)
    content = f"{identity.id}.{expires}.{secret}"
    response.set_cookie(
        cookie,
        f"{content}.{signature(request, content)}",
        max_age=_LIFETIME,
        httponly=True,
        samesite="strict",
        secure=context(request).base(request).startswith("https://"),
    )


def end(request: Request, response: Response) -> None:
    """End the session, which invalidates all copies of its cookie, and delete the cookie."""
    content = request.cookies.get(cookie, "").rpartition(".")[0]
    tokens.end_session(context(request).pipelines.database, content.rpartition(".")[2])
    response.delete_cookie(cookie)


def session(request: Request) -> Session:
    """Return the session of a request.

    Raises:
        SignInFirstError: the request has no valid session.
    """
    value = request.cookies.get(cookie, "")
    content, _, given = value.rpartition(".")
    identity = None
    if content and hmac.compare_digest(given.encode(), signature(request, content).encode()):
        identity = tokens.find_by_session(context(request).pipelines.database, content.rpartition(".")[2])
    if identity is None or not identity.may_read:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        raise SignInFirstError(f"/-/sign-in?next={quote(path, safe='')}")
    audit.note_author(identity.author(client_address(request)))
    return Session(identity=identity, form_token=signature(request, f"form {value}"))


def check_writer_form(request: Request, form: Mapping[str, Any]) -> Session:
    """Return the session of a form that changes something, after checking its form token and permission.

    Raises:
        SignInFirstError: the request has no valid session.
        HttpError: 403, the form token is invalid, the form is another site's, or the access token may only read.
    """
    check_form(request, form)
    return require_writer(request)


def require_writer(request: Request) -> Session:
    """Return the session of a user who may change something.

    Raises:
        SignInFirstError: the request has no valid session.
        HttpError: 403, the access token may only read.
    """
    found = session(request)
    if not found.identity.may_write:
        raise HttpError(
            403, {"message": "Your access token can only read. Sign in with a token that has the scope api."}
        )
    return found


def require_admin(request: Request) -> Session:
    """Return the session of a user who may administer the service.

    Raises:
        SignInFirstError: the request has no valid session.
        HttpError: 403, the access token has not the role ``admin``.
    """
    found = session(request)
    if not found.identity.may_administer:
        raise HttpError(403, {"message": "This page is for access tokens with the scope api and the role admin."})
    return found


def check_form(request: Request, form: Mapping[str, Any]) -> Session:
    """Return the session of a form, after checking its form token.

    Raises:
        SignInFirstError: the request has no valid session.
        HttpError: 403, the form token is invalid or the form is another site's.
    """
    found = session(request)
    check_origin(request)
    given = str(form.get("form_token", ""))
    if not hmac.compare_digest(given.encode(), found.form_token.encode()):
        raise HttpError(403, {"message": "This form has expired. Reload the page and submit it again."})
    return found


def check_origin(request: Request) -> None:
    """Refuse a form that a browser sends from a page of another site.

    Raises:
        HttpError: 403, the Origin header is present and is not this service.
    """
    origin = request.headers.get("origin")
    here = context(request).base(request)
    if origin is not None and _netloc(origin) != urlsplit(here).netloc:
        raise HttpError(403, {"message": f"This form was sent by a page of another address. Open it at {here}."})


def _netloc(origin: str) -> str | None:
    """Return the host and port of an origin; None if it is not one."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def signature(request: Request, content: str) -> str:
    """Return the signature of a text by this service."""
    here: Context = context(request)
    return hmac.new(here.signing_key, content.encode(), hashlib.sha256).hexdigest()
