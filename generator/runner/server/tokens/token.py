"""One token: its name, its role, and how operators write the tokens that they choose themselves."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.runner.server.tokens.role import Role, roles
from generator.shared.failures import BadInputsError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{20,512}")  # RFC 6750, "b68token", and long enough not to be guessed


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token without its secret; times in seconds since 1970."""

    name: str
    """Unique; the owner of the runs that the token starts."""
    role: Role
    digest: str
    created: float | None = None
    expires: float | None = None

    def is_valid(self, now: float) -> bool:
        """Whether the token has not expired."""
        return self.expires is None or now < self.expires


def digest(secret: str) -> str:
    """Return the digest that is stored for a secret of at least 100 random bits, which needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """Return a new random token, with a prefix by which secret scanners know it."""
    return f"packmill_{secrets.token_urlsafe(32)}"


def check_name(name: str) -> str:
    """Return a token's name.

    Raises:
        BadInputsError: the name has characters other than letters, digits and ``._@-``, or more than 64 of them.
    """
    if not _NAME.fullmatch(name):
        raise BadInputsError(f"token {name!r}: invalid name; use at most 64 letters, digits and . _ @ -")
    return name


def read_token_file(file: str) -> str:
    """Return the text of a file with tokens.

    Raises:
        BadInputsError: it cannot be read, or is not text in UTF-8.
    """
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputsError(f"--token-file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInputsError(f"--token-file {file}: not text in UTF-8") from None


def read_given_tokens(text: str, source: str) -> Mapping[str, Token]:
    """Read the tokens of a file or a variable, by digest: ``NAME:ROLE:TOKEN`` between commas, spaces or lines.

    A line that begins with ``#`` is a comment.

    Raises:
        BadInputsError: the text has no token, or one that is not of this form; the message has no secret.
    """
    tokens: dict[str, Token] = {}
    names: set[str] = set()
    for number, entry in enumerate(_entries(text.splitlines()), start=1):
        token = _read_entry(entry, f"{source}: entry {number}")
        if token.digest in tokens or token.name in names:
            raise BadInputsError(f"{source}: entry {number}: the name or the token is used twice")
        names.add(token.name)
        tokens[token.digest] = token
    if not tokens:
        raise BadInputsError(f"{source}: no tokens; write NAME:ROLE:TOKEN")
    return tokens


def _entries(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if not line.lstrip().startswith("#"):
            yield from line.replace(",", " ").split()


def _read_entry(entry: str, where: str) -> Token:
    name, _, rest = entry.partition(":")
    role, _, secret = rest.partition(":")
    if not _NAME.fullmatch(name) or role not in roles:
        raise BadInputsError(f"{where}: invalid; write NAME:ROLE:TOKEN, with a role of {', '.join(roles)}")
    if not _TOKEN.fullmatch(secret):
        raise BadInputsError(
            f"{where}: the token of {name!r} is too short or has other characters; "
            "use at least 20 letters, digits and . _ ~ + / = -"
        )
    return Token(name=name, role=role, digest=digest(secret))
