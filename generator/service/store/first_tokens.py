"""The first tokens of a service: made at its first start, or given by the operator in variables or files."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

from generator.service.log import surviving
from generator.service.store import tokens
from generator.service.store.database import Database

_FIRST_TOKENS = (
    ("trigger", ("trigger",), "PACKMILL_CI_TRIGGER_TOKEN"),
    ("access", ("api",), "PACKMILL_CI_ACCESS_TOKEN"),
)


def create_first_tokens(
    database: Database, environment: Mapping[str, str], data: Path, say: Callable[[str], None]
) -> None:
    """Create the first tokens unless one of them exists, and show them once; warn of given ones that are not valid.

    Raises:
        UsageError: a given token is too short or already in use.
        OSError: a new token cannot be shown; none is created.
    """
    given = {variable: environment.get(variable) or None for _, _, variable in _FIRST_TOKENS}
    known = {one["name"] for one in tokens.list_tokens(database)}
    if known & {name for name, _, _ in _FIRST_TOKENS}:
        _warn_of_invalid(database, given, data, surviving(say))
        return
    if all(given.values()):
        say = surviving(say)

    def show(made: list[str]) -> None:
        for (name, _, variable), token in zip(_FIRST_TOKENS, made, strict=True):
            say(f"{name} token   {f'that of {variable}' if given[variable] else token}")
        once = "They are shown only once and stored as digests; " if not all(given.values()) else ""
        say(f"{once}create others with 'packmill token create NAME'")

    specs = [(name, scopes, given[variable]) for name, scopes, variable in _FIRST_TOKENS]
    tokens.create_all(database, specs, show=show)


def _warn_of_invalid(
    database: Database, given: Mapping[str, str | None], data: Path, say: Callable[[str], None]
) -> None:
    """Warn of given tokens that are not valid: an edited file replaces no token, so a leaked one stays valid."""
    folder = shlex.quote(str(data))
    for name, (scope,), variable in _FIRST_TOKENS:
        if (token := given[variable]) and tokens.find(database, token) is None:
            say(
                f"warning: {variable}: not a valid token, and replaces none; to replace a token, run "
                f"'packmill token revoke {name} --data {folder}' and "
                f"'packmill token create {name} --scope {scope} --data {folder}', and set {variable} to the new token"
            )
