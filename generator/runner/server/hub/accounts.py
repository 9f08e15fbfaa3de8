"""The system user and the home of a JupyterHub user: where, and as whom, this user's notebooks run."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from generator.runner.server.problems import ProblemError
from generator.shared.failures import BadInputsError

_FIELD = "{username}"
_ADVICE = "give the service the option --home if the users of the hub share one system user"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A user of the hub on this machine."""

    username: str
    """The name in JupyterHub."""
    home: Path
    uid: int
    gid: int
    groups: tuple[int, ...]
    login: str
    """The name of the system user."""
    shell: str
    shared: bool = False
    """Whether the users of the hub share the system user; then their homes are created when they are first used."""


FindAccount = Callable[[str], Account]
"""Finds the account of a JupyterHub user.

Raises:
    ProblemError: 403, notebooks of the user cannot run here; 404, the name cannot be one of a user.
"""


def account_finder(*, home: str | None, least_uid: int) -> FindAccount:
    """Return how accounts are found: those of the system, or with a template of homes those of one shared system user.

    Raises:
        BadInputsError: the template has no ``{username}`` or is relative, or notebooks would run as root.
    """
    if home is None:
        return partial(_system_account, least_uid=least_uid)
    if _FIELD not in home or not home.startswith("/"):
        raise BadInputsError(f"--home {home!r}: write an absolute path with {_FIELD}, such as /tmp/{_FIELD}")
    if os.geteuid() == 0:
        raise BadInputsError("--home: all notebooks would run as root; start JupyterHub as an ordinary system user")
    return partial(_shared_account, home)


def _system_account(username: str, *, least_uid: int) -> Account:
    _check_name(username)
    try:
        entry = pwd.getpwnam(username)
    except KeyError:
        advice = "" if os.geteuid() == 0 else f"; {_ADVICE}"
        raise ProblemError(403, f"user {username!r}: this machine has no such system user{advice}") from None
    if entry.pw_uid < max(1, least_uid):
        raise ProblemError(
            403,
            f"user {username!r}: notebooks do not run as uid {entry.pw_uid}, which is below {least_uid} (--least-uid)",
        )
    if os.geteuid() not in (0, entry.pw_uid):
        raise ProblemError(
            403,
            f"user {username!r}: the service runs as uid {os.geteuid()} and cannot run notebooks as uid {entry.pw_uid}"
            f"; start JupyterHub as root, or {_ADVICE}",
        )
    return Account(
        username=username,
        home=Path(entry.pw_dir),
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        groups=tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)),
        login=entry.pw_name,
        shell=entry.pw_shell,
    )


def _shared_account(template: str, username: str) -> Account:
    _check_name(username)
    own = pwd.getpwuid(os.geteuid())
    return Account(
        username=username,
        home=Path(template.replace(_FIELD, username)),
        uid=own.pw_uid,
        gid=own.pw_gid,
        groups=tuple(os.getgroups()),
        login=own.pw_name,
        shell=own.pw_shell,
        shared=True,
    )


def _check_name(username: str) -> None:
    """Refuse names that would be another path."""
    if not username or username in (".", "..") or "/" in username or not username.isprintable():
        raise ProblemError(404, f"user {username!r}: no such user")


def owner_of_path(path: str, home: str | None) -> str | None:
    """Return the JupyterHub user below whose home an absolute path is; None if it is below none."""
    if home is not None:
        before, _, after = (re.escape(part) for part in home.rstrip("/").partition(_FIELD))
        found = re.fullmatch(f"{before}([^/]+){after}/.*", path, re.DOTALL)
        return found[1] if found else None
    parents = [Path(path), *Path(path).parents]
    return next((one.name for one in reversed(parents) if one.name and _is_home(one)), None)


def _is_home(folder: Path) -> bool:
    try:
        return Path(pwd.getpwnam(folder.name).pw_dir) == folder
    except (KeyError, ValueError):
        return False
