"""The command line and the environment of a user's server."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.runner.server.hub.accounts import Account
from generator.runner.server.hub.environment import kept
from generator.runner.server.hub.scopes import Action

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,55}")
"""Names of tokens, with room for an ending."""
_FEW_WORKERS = ("--workers", "2")
"""Runs at once, unless the operator chooses: many users share the machine."""
_DATA = ".local/share/packmill"
"""The folder of runs in a home (XDG Base Directory Specification)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSettings:
    """What is the same for all users' servers; times in seconds."""

    sockets: Path
    """A folder of this process's user alone."""
    options: Sequence[str]
    """The operator's options of ``packmill-runner serve``."""
    variables: Sequence[str]
    """Further variables that the servers get."""
    start_timeout: float
    shutdown_timeout: float


def server_command(account: Account, settings: ServerSettings, *, base_url: str, descriptor: int) -> list[str]:
    """Return the command of a user's server, which listens on the socket of a file descriptor."""
    options = {
        "--root": str(account.home),
        "--data": str(account.home / _DATA),
        "--home-of": account.username,
        "--base-url": base_url,
        "--socket": f"fd:{descriptor}",
        "--shutdown-timeout": f"{settings.shutdown_timeout:g}",
    }
    start = [sys.executable, "-m", "generator.runner.server.hub.user_process"]
    start += [str(os.getpid()), str(account.home), "shared" if account.shared else "own"]
    return [*start, *_FEW_WORKERS, *settings.options, *(f"{name}={value}" for name, value in options.items())]


def server_environment(account: Account, settings: ServerSettings, tokens: Mapping[Action, str]) -> dict[str, str]:
    """Return the server's variables: of this process's own, those that are listed and no others."""
    own = {name: os.environ[name] for name in (*kept, *settings.variables) if name in os.environ}
    name = account.username if _NAME.fullmatch(account.username) else "owner"
    return own | {
        "HOME": str(account.home),
        "USER": account.login,
        "LOGNAME": account.login,
        "SHELL": account.shell or "/bin/sh",
        "PACKMILL_SERVE_TOKENS": f"{name}:admin:{tokens['run']},{name}.reader:read:{tokens['read']}",
    }
