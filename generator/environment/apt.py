"""Read ``apt.txt``: Debian packages, one on each line, as in repo2docker."""

from __future__ import annotations

import re

from generator.shared.errors import EnvironmentSpecError
from generator.shared.safe_text import printable

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]*(=[A-Za-z0-9.+~:-]+)?")


def read_apt(file: str, text: str) -> tuple[str, ...]:
    """Read the packages, sorted; unlike in repo2docker, ``=`` may request a version.

    Raises:
        EnvironmentSpecError: a line is not a valid package name; the message has the line's number.
    """
    names = [line.partition("#")[0].strip() for line in text.splitlines()]
    for number, name in enumerate(names, start=1):
        if name and not _PACKAGE.fullmatch(name):
            raise EnvironmentSpecError(f"{file} line {number}: {printable(name)!r} is not the name of a Debian package")
    return tuple(sorted({name for name in names if name}))
