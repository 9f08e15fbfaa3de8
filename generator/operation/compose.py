"""A compose file for the image of the service, with new tokens in files."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from generator.operation.image import port as inside
from generator.operation.image import user
from generator.resources import render
from generator.shared.errors import DiskFullError, UsageError
from generator.shared.passing_errors import is_full_disk

_SOCKET = Path("/var/run/docker.sock")
_TOKENS = ("trigger_token", "access_token")


def compose_file(*, image: str, data: Path, port: int, engine: str) -> str:
    """Render the compose file for an engine's address, such as ``tcp://engine:2376``; empty is this machine's socket.

    Source: https://docs.docker.com/reference/compose-file/

    Raises:
        UsageError: the data folder is not an absolute path, or this machine has no socket.
    """
    if not data.is_absolute() or len(data.parts) < 3 or not re.fullmatch(r"[\w./+@-]+", str(data)):
        raise UsageError(f"--data {data}: give an absolute path of letters, digits and ./+@-, such as /srv/packmill")
    socket = _socket_of(engine)
    return render(
        "service/compose.yml",
        image=image,
        pull_policy="never" if image.startswith("localhost/") else "missing",
        user=user,
        data=data,
        port=port,
        inside=inside,
        engine="" if socket else engine,
        socket=socket,
        group=_group_of(socket) if socket else None,
    )


def _socket_of(engine: str) -> Path | None:
    """Return the socket of an engine's address; None for an engine on another machine."""
    if not engine:
        return _SOCKET
    return Path(engine.removeprefix("unix://")) if engine.startswith("unix://") else None


def _group_of(socket: Path) -> int:
    try:
        return socket.stat().st_gid
    except OSError as error:
        advice = "start the engine, or name it with --engine tcp://HOST:PORT"
        raise UsageError(f"{socket}: {error.strerror}: {advice}") from None


def write_compose(folder: Path, text: str) -> list[Path]:
    """Write the compose file and missing tokens to a folder; return the new files.

    Only the owner of the folder can enter the folder of the tokens. The tokens are readable there for every user,
    because compose mounts the files with their modes for the service's user in the container.

    Raises:
        UsageError: the folder cannot be written to, or has another compose file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        hidden = folder / "secrets"
        _refuse_another(folder / "compose.yml", text)
        hidden.mkdir(exist_ok=True, mode=0o700)
        hidden.chmod(0o700)
        missing = [hidden / name for name in _TOKENS if _is_missing(hidden / name)]
        for file in missing:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "w") as opened:
                opened.write(secrets.token_urlsafe(32))
        (folder / "compose.yml").write_text(text, encoding="utf-8")
    except OSError as error:
        if is_full_disk(error):
            raise DiskFullError(error, folder=folder) from None
        raise UsageError(f"{folder}: {error.strerror}; name another folder with --output") from None
    return [folder / "compose.yml", *missing]


def _is_missing(token: Path) -> bool:
    """Whether a token has to be written; an empty file, which a full disk or a kill left, is removed."""
    if token.is_file() and not token.stat().st_size:
        token.unlink()
    return not token.exists()


def _refuse_another(file: Path, text: str) -> None:
    """Refuse to replace a file with other content: its user may have changed it."""
    if file.exists() and file.read_bytes() != text.encode():
        raise UsageError(f"{file}: exists and differs; rename it, or name another folder with --output")
