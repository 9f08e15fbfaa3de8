"""Tokens and sessions of a data folder, in an SQLite file that holds digests only."""

from __future__ import annotations

import shlex
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from generator.runner.server.runs.sqlite_failures import failures_as_unavailable
from generator.runner.server.tokens.role import Role
from generator.runner.server.tokens.token import Token, check_name, digest, new_secret
from generator.shared.failures import BadInputsError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS token (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, created REAL NOT NULL, expires REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session (
    digest TEXT PRIMARY KEY, token TEXT NOT NULL, expires REAL NOT NULL
) WITHOUT ROWID;
"""
_COLUMNS = "name, role, digest, created, expires"
_MOST_SESSIONS = 100
"""Sessions of one token: rows would fill the disk otherwise."""


class TokenStore:
    """The tokens of one data folder; for use from several threads and processes."""

    def __init__(self, folder: Path, given: Mapping[str, Token] | None = None) -> None:
        """``given`` has the operator's own tokens, by digest.

        Raises:
            BadInputsError: the file is not a database.
            OSError: the folder cannot be written to.
        """
        self._given = dict(given or {})
        self._folder = folder
        path = folder / "access.sqlite"
        path.touch(mode=0o600)
        self._guard = threading.Lock()
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            # machines may share the folder, and WAL is for one machine
            self._database.execute("PRAGMA journal_mode = DELETE")
            self._database.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise BadInputsError(f"{path}: cannot be opened: {error}") from None

    def is_empty(self) -> bool:
        """Whether there is no token, valid or expired."""
        return not self._given and not self._query("SELECT 1 FROM token LIMIT 1")

    def is_unused(self) -> bool:
        """Whether there has never been a token; a server whose last token was revoked stays closed."""
        return self.is_empty() and not self._query("PRAGMA user_version")[0][0]

    def warning(self) -> str:
        """Return what to do if all tokens were revoked; empty while there is one, or if there has never been one."""
        if self.is_unused() or not self.is_empty():
            return ""
        create = f"packmill-runner token create NAME --role admin --data {shlex.quote(str(self._folder))}"
        return f"all tokens were revoked, and requests are refused; create one with '{create}'"

    def create(
        self,
        name: str,
        role: Role,
        *,
        lifetime: float | None = None,
        show: Callable[[str], None] = lambda _: None,
    ) -> str:
        """Create a token and return its secret, which is possible only once; ``lifetime`` in seconds.

        ``show`` gets the secret before it is stored: if it raises, there is no token.

        Raises:
            BadInputsError: the name is invalid, or already in use.
        """
        secret, now = new_secret(), time.time()
        expires = None if lifetime is None else now + lifetime
        values = (check_name(name), role, digest(secret), now, expires)
        self._query("BEGIN IMMEDIATE")
        try:
            self._query(f"INSERT INTO token ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)", *values)  # noqa: S608 - constant names
            show(secret)
        except sqlite3.IntegrityError:
            self._query("ROLLBACK")
            raise BadInputsError(f"token {name!r}: already in use; revoke it, or choose another name") from None
        except BaseException:
            self._query("ROLLBACK")
            raise
        self._query("COMMIT")
        return secret

    def all(self) -> tuple[Token, ...]:
        """Return all tokens of the data folder, sorted by name."""
        return tuple(map(_token, self._query(f"SELECT {_COLUMNS} FROM token ORDER BY name")))  # noqa: S608

    def valid(self, name: str) -> Token | None:
        """Return the valid token with a name; None if it is unknown, expired or revoked."""
        tokens = (*self._given.values(), *self.all())
        return next((token for token in tokens if token.name == name and token.is_valid(time.time())), None)

    def revoke(self, name: str) -> bool:
        """Delete a token and its sessions; return whether there was one."""
        if not self._query("SELECT 1 FROM token WHERE name = ?", name):
            return False
        # survives the last token: without it, the next start would serve everybody
        self._query("PRAGMA user_version = 1")
        self._query("DELETE FROM session WHERE token = (SELECT digest FROM token WHERE name = ?)", name)
        return bool(self._query("DELETE FROM token WHERE name = ? RETURNING name", name))

    def find(self, secret: str) -> Token | None:
        """Return the token with a secret; None for one that is unknown, expired or revoked.

        Digests are compared, so the time of a comparison tells nothing of a secret.
        """
        return self.find_by_digest(digest(secret))

    def find_by_digest(self, token_digest: str) -> Token | None:
        """Return the token with a digest; None for one that is unknown, expired or revoked."""
        token = self._given.get(token_digest)
        if token is None:
            rows = self._query(f"SELECT {_COLUMNS} FROM token WHERE digest = ?", token_digest)  # noqa: S608
            token = _token(rows[0]) if rows else None
        return token if token and token.is_valid(time.time()) else None

    def begin_session(self, token: Token, secret: str, *, lifetime: float) -> None:
        """Store a session of a token, and remove expired ones and the oldest of too many; ``lifetime`` in seconds."""
        now = time.time()
        self._query("DELETE FROM session WHERE expires < ?", now)
        latest = "SELECT digest FROM session WHERE token = ? ORDER BY expires DESC LIMIT ?"
        statement = f"DELETE FROM session WHERE token = ? AND digest NOT IN ({latest})"  # noqa: S608 - constant text
        self._query(statement, token.digest, token.digest, _MOST_SESSIONS - 1)
        values = (digest(secret), token.digest, min(now + lifetime, token.expires or now + lifetime))
        self._query("INSERT INTO session (digest, token, expires) VALUES (?, ?, ?)", *values)

    def find_by_session(self, secret: str) -> Token | None:
        """Return the token of a session; None if the session or its token is no longer valid."""
        found = self._query("SELECT token FROM session WHERE digest = ? AND expires > ?", digest(secret), time.time())
        return self.find_by_digest(found[0][0]) if found else None

    def end_session(self, secret: str) -> None:
        """End a session, which invalidates all copies of its cookie."""
        self._query("DELETE FROM session WHERE digest = ?", digest(secret))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Execute a statement, and return its rows.

        Raises:
            StoreUnavailableError: the disk is full or broken, or the file is locked for too long.
        """
        with failures_as_unavailable(), self._guard, closing(self._database.execute(statement, values)) as cursor:
            return cursor.fetchall()


def _token(row: tuple[Any, ...]) -> Token:
    name, role, stored, created, expires = row
    return Token(name=name, role=role, digest=stored, created=created, expires=expires)
