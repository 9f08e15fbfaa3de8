"""Addresses that hold a secret: what is installed is written into locks and documents, which may keep none."""

from __future__ import annotations

import re

from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import printable, redacted

_USER = r"(?:https?|ftps?)://[^/\s\"'@]+@|ssh://[^/\s\"'@:]*:[^/\s\"'@]+@"
_QUERY = r"://\S*[?&](?:[\w.-]*[-_])?(?:token|signature|sig|secret|password|passwd|apikey|api[-_]key)="
_ASKED = r"://\S*\$\{?[A-Za-z_]"
_SECRET = re.compile(f"{_USER}|{_QUERY}|{_ASKED}", re.IGNORECASE)


def holds_secret(text: str) -> bool:
    """Whether an address in the text has a user or a password, a token in its query, or a variable in place of one."""
    return "://" in text and bool(_SECRET.search(text))


def refuse_secrets(text: str, file: str) -> None:
    """Looks at every address of a file of the environment.

    Raises:
        EnvironmentSpecError: one holds a secret, or a variable in place of one; with the line, the secret left out.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if holds_secret(line) and not line.lstrip().startswith("#"):
            raise EnvironmentSpecError(
                f"{file} line {number}: {printable(redacted(line))[:200]}\n"
                "  its address holds a secret or asks for one: a build is given none, and keeps none in a lock\n"
                "  fetch it from where it is open to everyone, or bring a Dockerfile"
            )
