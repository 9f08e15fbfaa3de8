"""Who is signed in: a cookie with the word of a session, signed, and a second signature that forms carry (CSRF).

The token itself is in no cookie. A session ends when its user signs out, when its token is revoked or expires, or after
twelve hours. The database has the digest of its word alone.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response

from generator.service.answers import AnswerError
from generator.service.context import Context, context
from generator.service.store import tokens
from generator.service.store.tokens import Identity

cookie = "packmill_session"
_LIFETIME = 12 * 3600
_KEY = 32


class SignInFirstError(Exception):
    """The page is for those who are signed in; ``address`` is where to go."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


@dataclass(frozen=True, slots=True)
class Session:
    """Who looks at a page, and the word that their forms carry."""

    identity: Identity
    form_token: str


def signing_key(folder: Path) -> bytes:
    """The key that cookies are signed with, made once and kept in the data folder."""
    file = folder / "session.key"
    if not file.is_file() or file.stat().st_size < _KEY:
        new = folder / f"session.key.{os.getpid()}"
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
            opened.write(secrets.token_bytes(_KEY))
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)  # whole or not at all: an empty key would sign anyone's cookie
    return file.read_bytes()


def begin(request: Request, response: Response, identity: Identity) -> None:
    """Signs someone in."""
    expires = int(time.time()) + _LIFETIME
    word = tokens.begin_session(context(request).pipelines.database, identity, expires_at=expires)
    content = f"{identity.id}.{expires}.{word}"
    response.set_cookie(
        cookie,
        f"{content}.{_signature(request, content)}",
        max_age=_LIFETIME,
        httponly=True,
        samesite="strict",
        secure=context(request).base(request).startswith("https://"),
    )


def end(request: Request, response: Response) -> None:
    """Sign someone out: their cookie no longer opens anything, nor do copies of it."""
    content = request.cookies.get(cookie, "").rpartition(".")[0]
    tokens.end_session(context(request).pipelines.database, content.rpartition(".")[2])
    response.delete_cookie(cookie)


def session(request: Request) -> Session:
    """Who is signed in.

    Raises:
        SignInFirstError: nobody is.
    """
    value = request.cookies.get(cookie, "")
    content, _, signature = value.rpartition(".")
    identity = None
    if content and hmac.compare_digest(signature.encode(), _signature(request, content).encode()):
        identity = tokens.of_session(context(request).pipelines.database, content.rpartition(".")[2])
    if identity is None or not identity.may_read:
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        raise SignInFirstError(f"/-/sign-in?next={quote(asked, safe='')}")
    return Session(identity=identity, form_token=_signature(request, f"form {value}"))


def writing(request: Request, form: Mapping[str, Any]) -> Session:
    """Who is signed in and sends a form that this service gave them.

    Raises:
        SignInFirstError: nobody is signed in.
        AnswerError: 403, the form is another site's, or the token may only read.
    """
    found = belonging(request, form)
    if not found.identity.may_write:
        raise AnswerError(403, {"message": "Your token may only read: sign in with one that has the scope api."})
    return found


def belonging(request: Request, form: Mapping[str, Any]) -> Session:
    """Who is signed in and sends a form that this service gave them, whatever they may do.

    Raises:
        SignInFirstError: nobody is signed in.
        AnswerError: 403, the form is another site's.
    """
    found = session(request)
    origin = request.headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != urlsplit(context(request).base(request)).netloc
    given = str(form.get("form_token", ""))
    if elsewhere or not hmac.compare_digest(given.encode(), found.form_token.encode()):
        raise AnswerError(403, {"message": "The form is not of this page: open it again and send it once more."})
    return found


def _signature(request: Request, content: str) -> str:
    here: Context = context(request)
    return hmac.new(here.signing_key, content.encode(), hashlib.sha256).hexdigest()
