"""A systemd unit for the service of this installation."""

from __future__ import annotations

import sys
from pathlib import Path

from generator.resources import render
from generator.shared.errors import UsageError

_STATE = Path("/var/lib")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HOMES = ("home", "root")


def unit_file(*, data: Path, port: int, user: str) -> str:
    """Render the unit, which starts the ``packmill`` next to this Python.

    Source: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html

    Raises:
        UsageError: the data folder is not below /var/lib, where systemd creates it for the service's user.
    """
    if not data.is_relative_to(_STATE) or data == _STATE or ".." in data.parts:
        raise UsageError(f"--data {data}: systemd creates the folder below /var/lib, such as /var/lib/packmill")
    programs = Path(sys.prefix, "bin")
    return render(
        "service/packmill.service",
        user=user,
        program=programs / "packmill",
        port=port,
        data=data,
        data_name=data.relative_to(_STATE),
        path=f"{programs}:{_PATH}",
        protect_home="read-only" if needs_home() else "yes",
    )


def needs_home() -> bool:
    """Return whether packmill or its Python is in somebody's home folder, which other users usually cannot enter."""
    return any(Path(one).resolve().parts[1:2] in {(name,) for name in _HOMES} for one in (sys.prefix, sys.base_prefix))
