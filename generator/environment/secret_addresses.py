"""Refuse addresses that hold a secret: installed packages are recorded in locks and documents."""

from __future__ import annotations

import re

from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import printable, redacted

_USER = r"(?:https?|ftps?)://[^/\s\"'@]+@|ssh://[^/\s\"'@:]*:[^/\s\"'@]+@"
_QUERY = r"[?&](?:[\w.-]*[-_])?(?:token|signature|sig|secret|password|passwd|apikey|api[-_]key)="
_ASKED = r"\$\{?[A-Za-z_]"
_WITH_USER = re.compile(_USER, re.IGNORECASE)
_WITH_SECRET = re.compile(f"{_QUERY}|{_ASKED}", re.IGNORECASE)
"""In an address, after its scheme."""


def holds_secret(text: str) -> bool:
    """Return whether an address in the text has a user, a password, a token, or a variable in place of one."""
    if "://" not in text:
        return False
    # each word once: a pattern from '://' on would search the rest of a word from each of them
    words = ((word, word.find("://")) for word in text.split())
    return bool(_WITH_USER.search(text)) or any(at >= 0 and _WITH_SECRET.search(word, at) for word, at in words)


def refuse_secrets(text: str, file: str) -> None:
    """Check every address in a file of the environment.

    Raises:
        EnvironmentSpecError: an address holds a secret, or a variable in place of one; the message omits the secret.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if holds_secret(line) and not line.lstrip().startswith("#"):
            raise EnvironmentSpecError(
                f"{file} line {number}: {printable(redacted(line))[:200]}\n"
                "  its address holds or requests a secret; builds have no secrets, and locks must not contain any\n"
                "  use a public address, or provide a Dockerfile"
            )
