"""Read ``apt.txt``: Debian packages, one or more on each line, as in repo2docker."""

from __future__ import annotations

import re

from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import printable

_PACKAGE = re.compile(
    r"[a-z0-9][a-z0-9.+-]*(?<!-)"  # apt-get removes a package whose name is followed by a dash
    r"(:[a-z0-9][a-z0-9-]*)?(=[A-Za-z0-9.+~:-]+|/[A-Za-z0-9][A-Za-z0-9.+~-]*)?"
)


def read_apt(file: str, text: str) -> tuple[str, ...]:
    """Read the packages, sorted: each with its architecture, version or release as for apt-get, if it has them.

    Raises:
        EnvironmentSpecError: a word is not a valid package name; the message has the line's number.
    """
    words = [
        (number, word)
        for number, line in enumerate(text.splitlines(), start=1)
        for word in line.partition("#")[0].split()
    ]
    for number, word in words:
        if not _PACKAGE.fullmatch(word):
            raise EnvironmentSpecError(f"{file} line {number}: {printable(word)!r} is not the name of a Debian package")
    return tuple(sorted({word for _, word in words}))
