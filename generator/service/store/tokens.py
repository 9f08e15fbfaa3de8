"""Tokens: made here, shown once, kept as digests, and good for what their scopes say.

The words of the scopes are GitLab's (https://docs.gitlab.com/user/profile/personal_access_tokens/): ``api`` does
everything, ``read_api`` reads, ``trigger`` starts pipelines and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from generator.service.store.database import Database, Row, row, rows, sessions, tokens
from generator.shared.errors import UsageError

known_scopes = ("api", "read_api", "trigger")
_PREFIX = {"trigger": "glptt-"}
"""GitLab's own prefix of trigger tokens; the others have that of access tokens."""
_SHORTEST = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who asks: a token's number and name, and what it may do. A running job's token has the number 0."""

    id: int
    name: str
    scopes: frozenset[str]

    @property
    def may_write(self) -> bool:
        """Whether it may change anything."""
        return "api" in self.scopes

    @property
    def may_read(self) -> bool:
        """Whether it may look."""
        return bool(self.scopes & {"api", "read_api"})


def digest(token: str) -> str:
    """What is kept of a token. Its 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token(prefix: str = "glpat-") -> str:
    """A token that nobody can guess."""
    return prefix + secrets.token_urlsafe(32)


def create(database: Database, *, name: str, scopes: Iterable[str], expires_in: float | None = None) -> str:
    """Makes a token; it is returned this once and cannot be had again. ``expires_in`` in seconds.

    Raises:
        UsageError: a scope is unknown.
    """
    return create_all(database, [(name, scopes, None)], expires_in=expires_in)[0]


def create_all(
    database: Database,
    wanted: Sequence[tuple[str, Iterable[str], str | None]],
    *,
    expires_in: float | None = None,
) -> list[str]:
    """Makes tokens, all or none; each is a name, scopes, and the token itself where someone has chosen it.

    Raises:
        UsageError: a scope is unknown, or a token could be guessed or is there already.
    """
    now = time.time()
    made = [(name, sorted(set(scopes)), token) for name, scopes, token in wanted]
    texts = [_checked(name, scopes, token) for name, scopes, token in made]
    values = [
        {
            "name": name,
            "hash": digest(text),
            "scopes": scopes,
            "created_at": now,
            "expires_at": now + expires_in if expires_in else None,
        }
        for (name, scopes, _), text in zip(made, texts, strict=True)
    ]
    try:
        with database.writing() as connection:
            connection.execute(sa.insert(tokens), values)
    except sa.exc.IntegrityError:
        raise UsageError("this token is there already: each needs one of its own") from None
    return texts


def _checked(name: str, scopes: list[str], token: str | None) -> str:
    unknown = [scope for scope in scopes if scope not in known_scopes]
    if unknown or not scopes:
        raise UsageError(f"{', '.join(unknown) or 'no'} scope: there are {', '.join(known_scopes)}")
    if token is not None and len(token) < _SHORTEST:
        raise UsageError(f"the token for {name!r} could be guessed: it needs {_SHORTEST} characters or more")
    return token or new_token(_PREFIX.get(scopes[0], "glpat-") if len(scopes) == 1 else "glpat-")


def find(database: Database, token: str) -> Identity | None:
    """Whose token this is; None for one that is unknown, expired or revoked."""
    wanted = digest(token)
    with database.reading() as connection:
        found = row(connection, sa.select(tokens).where(tokens.c.hash == wanted))
    if found is None or not hmac.compare_digest(found["hash"], wanted) or not _is_valid(found):
        return None
    return Identity(id=found["id"], name=found["name"], scopes=frozenset(found["scopes"]))


def _is_valid(found: Row) -> bool:
    return found["revoked_at"] is None and (found["expires_at"] is None or found["expires_at"] > time.time())


def listed(database: Database) -> list[Row]:
    """All tokens, without what would let anyone use them."""
    with database.reading() as connection:
        return rows(connection, sa.select(tokens).order_by(tokens.c.id))


def revoke(database: Database, name: str) -> int:
    """Make all tokens of a name worthless and end their sessions; return how many tokens there were."""
    mine = sa.select(tokens.c.id).where(tokens.c.name == name)
    changed = sa.update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None))
    with database.writing() as connection:
        connection.execute(sa.delete(sessions).where(sessions.c.token_id.in_(mine)))
        return connection.execute(changed.values(revoked_at=time.time())).rowcount


def begin_session(database: Database, identity: Identity, *, expires_at: float) -> str:
    """Sign someone in; return the word that their cookie carries. Sessions that are over are removed."""
    word = secrets.token_urlsafe(32)
    with database.writing() as connection:
        connection.execute(sa.delete(sessions).where(sessions.c.expires_at < time.time()))
        values = {"id": digest(word), "token_id": identity.id, "expires_at": expires_at}
        connection.execute(sa.insert(sessions).values(**values))
    return word


def of_session(database: Database, word: str) -> Identity | None:
    """Return who is signed in; None for a session that is unknown, over, or of a token that is no longer valid."""
    wanted = sa.select(tokens).join(sessions, sessions.c.token_id == tokens.c.id)
    with database.reading() as connection:
        valid = (sessions.c.id == digest(word), sessions.c.expires_at > time.time())
        found = row(connection, wanted.where(*valid))
    if found is None or not _is_valid(found):
        return None
    return Identity(id=found["id"], name=found["name"], scopes=frozenset(found["scopes"]))


def end_session(database: Database, word: str) -> None:
    """Sign someone out, wherever a copy of their cookie is."""
    with database.writing() as connection:
        connection.execute(sa.delete(sessions).where(sessions.c.id == digest(word)))
