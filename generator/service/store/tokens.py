"""Access tokens: shown once when created, stored as digests, and limited by scopes.

The scopes are named as in GitLab (https://docs.gitlab.com/user/profile/personal_access_tokens/): ``api`` allows
everything that the role allows, ``read_api`` reading, ``trigger`` only starting pipelines. The roles are those of
``packmill-runner serve``: ``read`` reads, ``run`` also starts, cancels and repeats, ``admin`` also deletes, has
hooks, and reads the audit log.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from generator.service.store import audit
from generator.service.store.audit import Event, record
from generator.service.store.database import Database, Row, row, rows, sessions, tokens
from generator.shared.errors import UsageError

known_scopes = ("api", "read_api", "trigger")
JOB = "job"
"""The scope of the token of a running job, which no other token has."""
roles = {"read": ("read_api",), "run": ("api", "trigger"), "admin": ("api", "trigger")}
"""The roles, with the scopes that their tokens have by default."""
_PREFIX = {"trigger": "glptt-"}
"""GitLab's prefix of trigger tokens; other tokens have that of access tokens."""
_SHORTEST = 20
_MOST_SESSIONS = 100
"""Sessions of one token: rows would fill the disk otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The identity behind a request: a token's ID, name and scopes. That of a running job has the ID 0, and `JOB`."""

    id: int
    name: str
    scopes: frozenset[str]
    role: str = "admin"

    @property
    def may_write(self) -> bool:
        """Whether the token may change something."""
        return "api" in self.scopes and self.role != "read"

    @property
    def may_trigger(self) -> bool:
        """Whether the token may start pipelines as a trigger token."""
        return "trigger" in self.scopes and self.role != "read"

    @property
    def may_administer(self) -> bool:
        """Whether the token may delete, has hooks, and reads the audit log."""
        return "api" in self.scopes and self.role == "admin"

    def may_change_of(self, owner: int) -> bool:
        """Whether the token may change what the token with this ID owns, such as its schedules."""
        return self.may_write and (self.role == "admin" or self.id == owner)

    def author(self, address: str = "") -> audit.Author:
        """Return the author of events that this identity causes; ``address`` is that of the request."""
        return audit.Author(self.id, self.name, address)

    @property
    def may_fetch(self) -> bool:
        """Whether the token may download artifacts and uploaded files."""
        return self.may_read or JOB in self.scopes

    @property
    def may_read(self) -> bool:
        """Whether the token may read."""
        return bool(self.scopes & {"api", "read_api"})


def digest(token: str) -> str:
    """Return the digest that is stored for a token; its 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token(prefix: str = "glpat-") -> str:
    """Return a new random token."""
    return prefix + secrets.token_urlsafe(32)


def create(
    database: Database,
    *,
    name: str,
    scopes: Iterable[str],
    role: str = "admin",
    expires_in: float | None = None,
    show: Callable[[str], None] = lambda _: None,
) -> str:
    """Create a token and return it, which is possible only once; ``expires_in`` in seconds.

    ``show`` gets it before it is stored: if it raises, there is no token.

    Raises:
        UsageError: a scope is unknown.
    """
    specs = [(name, scopes, None)]
    return create_all(database, specs, role=role, expires_in=expires_in, show=lambda made: show(made[0]))[0]


def create_all(
    database: Database,
    specs: Sequence[tuple[str, Iterable[str], str | None]],
    *,
    role: str = "admin",
    expires_in: float | None = None,
    show: Callable[[list[str]], None] = lambda _: None,
) -> list[str]:
    """Create tokens, all or none; each is given as its name, scopes, and optionally the token itself.

    ``show`` gets them before they are stored: if it raises, none is created.

    Raises:
        UsageError: a scope is unknown, or a token is too short or already in use.
    """
    now = time.time()
    made = [(name, sorted(set(scopes)), token) for name, scopes, token in specs]
    texts = [_check_token(name, scopes, token) for name, scopes, token in made]
    values = [
        {
            "name": name,
            "hash": digest(text),
            "scopes": scopes,
            "role": role,
            "created_at": now,
            "expires_at": None if expires_in is None else now + expires_in,
        }
        for (name, scopes, _), text in zip(made, texts, strict=True)
    ]
    try:
        with database.transaction() as connection:
            connection.execute(sa.insert(tokens), values)
            for name, _, _ in made:
                record(connection, Event.TOKEN_CREATED, name)
            show(texts)
    except sa.exc.IntegrityError:
        raise UsageError("this token is already in use; choose another one") from None
    return texts


def _check_token(name: str, scopes: list[str], token: str | None) -> str:
    unknown = [scope for scope in scopes if scope not in known_scopes]
    if unknown or not scopes:
        raise UsageError(
            f"scope {', '.join(unknown)}: unknown; use {', '.join(known_scopes)}"
            if unknown
            else f"no scope given; use {', '.join(known_scopes)}"
        )
    if token is not None and len(token) < _SHORTEST:
        raise UsageError(f"the token for {name!r} is too short; use at least {_SHORTEST} characters")
    return token or new_token(_PREFIX.get(scopes[0], "glpat-") if len(scopes) == 1 else "glpat-")


def find(database: Database, token: str) -> Identity | None:
    """Return the identity of a token, None for one that is unknown, expired or revoked."""
    token_digest = digest(token)
    with database.connection() as connection:
        found = row(connection, sa.select(tokens).where(tokens.c.hash == token_digest))
    if found is None or not hmac.compare_digest(found["hash"], token_digest) or not _is_valid(found):
        return None
    return _identity(found)


def _identity(found: Row) -> Identity:
    scopes = frozenset(found["scopes"])
    return Identity(id=found["id"], name=found["name"], scopes=scopes, role=found["role"] or "admin")


def _is_valid(found: Row) -> bool:
    return found["revoked_at"] is None and (found["expires_at"] is None or found["expires_at"] > time.time())


def find_by_number(database: Database, number: int) -> Identity | None:
    """Return the identity of a token's ID, None if the token is unknown, expired or revoked."""
    with database.connection() as connection:
        found = row(connection, sa.select(tokens).where(tokens.c.id == number))
    if found is None or not _is_valid(found):
        return None
    return _identity(found)


def is_replaced(connection: sa.Connection, number: int, *, by: Identity) -> bool:
    """Whether a token's ID is that of a revoked or expired one, and the other token has its name: the same owner's."""
    found = row(connection, sa.select(tokens).where(tokens.c.id == number))
    return found is not None and found["name"] == by.name and not _is_valid(found)


def list_tokens(database: Database) -> list[Row]:
    """Return the rows of all tokens, which hold only their digests."""
    with database.connection() as connection:
        return rows(connection, sa.select(tokens).order_by(tokens.c.id))


def revoke(database: Database, name: str) -> int:
    """Revoke all tokens of a name and end their sessions; return how many were revoked."""
    mine = sa.select(tokens.c.id).where(tokens.c.name == name)
    changed = sa.update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None))
    with database.transaction() as connection:
        connection.execute(sa.delete(sessions).where(sessions.c.token_id.in_(mine)))
        revoked = connection.execute(changed.values(revoked_at=time.time())).rowcount
        if revoked:
            record(connection, Event.TOKEN_REVOKED, name)
    return revoked


def begin_session(database: Database, identity: Identity, *, expires_at: float) -> str:
    """Start a session; return the secret for the session's cookie. The oldest of too many of its token end."""
    secret = secrets.token_urlsafe(32)
    mine = sessions.c.token_id == identity.id
    latest = sa.select(sessions.c.id).where(mine).order_by(sessions.c.expires_at.desc()).limit(_MOST_SESSIONS - 1)
    with database.transaction() as connection:
        connection.execute(sa.delete(sessions).where(mine, sessions.c.id.not_in(latest)))
        values = {"id": digest(secret), "token_id": identity.id, "expires_at": expires_at}
        connection.execute(sa.insert(sessions).values(**values))
        record(connection, Event.SIGNED_IN)
    return secret


def remove_expired_sessions(database: Database) -> None:
    """Remove the sessions that have expired, if the clock is right."""
    with database.transaction() as connection:
        connection.execute(sa.delete(sessions).where(sessions.c.expires_at < time.time()))


def find_by_session(database: Database, secret: str) -> Identity | None:
    """Return the identity of a session, None if the session is unknown or expired or its token no longer valid."""
    statement = sa.select(tokens).join(sessions, sessions.c.token_id == tokens.c.id)
    with database.connection() as connection:
        valid = (sessions.c.id == digest(secret), sessions.c.expires_at > time.time())
        found = row(connection, statement.where(*valid))
    if found is None or not _is_valid(found):
        return None
    return _identity(found)


def note_failed_sign_in(database: Database, address: str) -> None:
    """Add an attempt to sign in with an invalid token to the audit log."""
    with database.transaction() as connection:
        record(connection, Event.SIGN_IN_FAILED, author=audit.Author(0, "", address))


def end_session(database: Database, secret: str) -> None:
    """End a session, which invalidates all copies of its cookie."""
    with database.transaction() as connection:
        ended = connection.execute(sa.delete(sessions).where(sessions.c.id == digest(secret))).rowcount
        if ended:
            record(connection, Event.SIGNED_OUT)
