"""Build git's environment and configuration: no prompts, no hooks, no leaked secrets.

A token or password is valid for one repository, path included: git's askpass helper compares the whole prompt. The
operator's account (configuration, ssh keys, credential helpers, ``.netrc``, client certificates) is used only with full
access and hidden otherwise.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, unquote, urlsplit

from generator.network.address_policy import Access
from generator.network.guarded_proxy import GuardedProxy
from generator.repository.address import Repository
from generator.subprocesses.commands import run
from generator.subprocesses.environment import signing_variables, without_variables

MISSING_GIT = "git: not installed, or not on PATH; install it, and try again"
_ASKPASS = """#!/bin/sh
# The prompt is compared whole: a part of it could be a hostile submodule's address. git 2.48 began to encode its parts.
case $1 in
"Username for 'https://$PACKMILL_ASKPASS_PLACE': " | "Username for 'https://$PACKMILL_ASKPASS_PLACE_ENCODED': ")
    printf '%s\\n' "$PACKMILL_ASKPASS_USERNAME" ;;
"Password for 'https://$PACKMILL_ASKPASS_USERNAME@$PACKMILL_ASKPASS_PLACE': " | \\
"Password for 'https://$PACKMILL_ASKPASS_USERNAME_ENCODED@$PACKMILL_ASKPASS_PLACE_ENCODED': ")
    printf '%s\\n' "$PACKMILL_ASKPASS_PASSWORD" ;;
*)
    exit 1 ;;
esac
"""
_REPOSITORY_VARIABLES = (
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CONFIG "
    "GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT GIT_COMMON_DIR GIT_NAMESPACE GIT_PREFIX GIT_GRAFT_FILE GIT_SHALLOW_FILE "
    "GIT_IMPLICIT_WORK_TREE GIT_REPLACE_REF_BASE GIT_NO_REPLACE_OBJECTS GIT_INTERNAL_SUPER_PREFIX GIT_TEMPLATE_DIR"
).split()
"""The variables that `git rev-parse --local-env-vars` lists; in a hook they point at the user's own repository."""
_ACCOUNT_VARIABLES = (
    "SSH_AUTH_SOCK GIT_SSH GIT_SSH_VARIANT GIT_SSL_CERT GIT_SSL_KEY GIT_SSL_CERT_PASSWORD_PROTECTED GIT_CONFIG_SYSTEM"
).split()
"""Other variables that give access to the operator's account."""
_CONNECTION_SETTINGS = r"^http\.(.*\.)?(sslcainfo|sslcapath|sslverify|sslbackend|sslversion|proxy)$"
"""The settings of the operator's git configuration that a connection without the account needs: trust and proxy."""
_NO_KEYS = (
    "ssh -F /dev/null -o BatchMode=yes -o IdentityAgent=none -o IdentityFile=none -o IdentitiesOnly=yes "
    "-o PreferredAuthentications=none -o GSSAPIAuthentication=no -o HostbasedAuthentication=no"
)


_SILENCE = 300
"""Seconds without a byte after which git gives up; servers send something every 5 s (``uploadpack.keepAlive``)."""
_FIXED_DATE = "2026-01-01T00:00:00+00:00"


def identity(*, fixed: bool) -> dict[str, str]:
    """Return variables with packmill as author; equal trees and a ``fixed`` time give one commit."""
    known = {"NAME": "packmill", "EMAIL": "packmill@localhost", **({"DATE": _FIXED_DATE} if fixed else {})}
    return {f"GIT_{role}_{word}": value for role in ("AUTHOR", "COMMITTER") for word, value in known.items()}


def leave_hook() -> None:
    """Unset the variables by which git names its repository to hooks, in case packmill runs in a hook."""
    for name in _REPOSITORY_VARIABLES:
        os.environ.pop(name, None)


@contextmanager
def git_environment(
    repository: Repository,
    token: str,
    *,
    hooks: bool = False,
    access: Access = Access.FULL,
    redirects: bool = False,
    proxy: GuardedProxy | None = None,
) -> Iterator[dict[str, str]]:
    """Create the environment for all git commands of one repository, with temporary files that last as long.

    ``hooks`` is for a push to a repository whose hooks are trusted. The operator's account is used with full access.
    ``redirects`` lets the server name another address; use it only for requests without secrets.
    """
    leave_hook()
    with ExitStack() as stack:
        stack.enter_context(without_variables(signing_variables))  # GitPython's git inherits all others
        temporary = stack.enter_context(TemporaryDirectory(prefix="packmill-git-"))
        password = token or repository.password
        settings = [*_secret_settings(password), ("http.followRedirects", "initial" if redirects else "false")]
        settings += [("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", str(_SILENCE))]
        settings += [("http.proxy", proxy.url)] if proxy else []
        account = {}
        included = _own_configuration()
        if access is not Access.FULL:
            settings = [*_connection_settings(proxied=proxy is not None), *settings]
            account, included = _no_account(temporary), ()
            stack.enter_context(without_variables(_ACCOUNT_VARIABLES))
        askpass, config = Path(temporary, "askpass"), Path(temporary, "config")
        askpass.write_text(_ASKPASS)
        askpass.chmod(0o700)
        config.write_text(_global_config(repository, included, settings, hooks=hooks))
        yield {
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_TERMINAL_PROMPT": "0",
            "GCM_INTERACTIVE": "never",
            "GIT_ASKPASS": str(askpass) if password else "false",  # git-lfs repeats an empty login for ever
            "SSH_ASKPASS": "false",
            "LC_ALL": "C",
            "GIT_LFS_SKIP_SMUDGE": "1",
            **_askpass_variables(repository, password),
            **account,
            **({"NO_PROXY": "", "no_proxy": ""} if proxy else {}),
        }


def _askpass_variables(repository: Repository, password: str) -> dict[str, str]:
    path = "" if repository.local else urlsplit(repository.address).path
    place = f"{repository.host}/{unquote(path).strip('/')}"
    username = repository.username or "oauth2"
    return {
        "PACKMILL_ASKPASS_PLACE": place,
        "PACKMILL_ASKPASS_PLACE_ENCODED": quote(place, safe="/:[]"),
        "PACKMILL_ASKPASS_USERNAME": username,
        "PACKMILL_ASKPASS_USERNAME_ENCODED": quote(username, safe=""),
        "PACKMILL_ASKPASS_PASSWORD": password,
    }


def _secret_settings(password: str) -> list[tuple[str, str]]:
    """Disable credential helpers for a request with its own password, so that none is queried or stores it."""
    return [("credential.helper", ""), ("credential.useHttpPath", "true")] if password else []


def _no_account(home: str) -> dict[str, str]:
    return {
        "HOME": home,
        "XDG_CONFIG_HOME": home,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_SSH_COMMAND": _NO_KEYS,
    }


def _own_configuration() -> tuple[str, ...]:
    own = os.environ.get("GIT_CONFIG_GLOBAL", "")
    return (own,) if own else ("~/.config/git/config", "~/.gitconfig")


def _connection_settings(*, proxied: bool) -> list[tuple[str, str]]:
    done = run(("git", "config", "--null", "--get-regexp", _CONNECTION_SETTINGS), timeout=60)
    pairs = [entry.partition("\n") for entry in done.stdout.split("\0") if entry]
    return [(name, value) for name, _, value in pairs if not (proxied and name.endswith(".proxy"))]


def _setting(name: str, value: str) -> str:
    """Return one setting as a section of a git configuration file."""
    section, _, rest = name.partition(".")
    middle, _, key = rest.rpartition(".")
    quoted = [re.sub(r'(["\\])', r"\\\1", text) for text in (middle, value)]
    head = f'[{section} "{quoted[0]}"]' if middle else f"[{section}]"
    return f'{head}\n\t{key} = "{quoted[1]}"\n'


def _global_config(
    repository: Repository, included: Iterable[str], settings: Iterable[tuple[str, str]], *, hooks: bool
) -> str:
    """Write a git configuration: the included files, then the settings that must override them."""
    local = repository.local
    trusted = "".join(_setting("safe.directory", f"{local}{end}") for end in ("", "/.git")) if local else ""
    file = "always" if local else "never"
    no_hooks = "" if hooks else "\thooksPath = /dev/null\n"
    return f"""[core]
\tsshCommand = ssh -o BatchMode=yes
{"".join(_setting("include.path", path) for path in included)}
{trusted}
[filter "lfs"]
\tsmudge =
\tprocess =
\trequired = false
[core]
{no_hooks}\tfsmonitor = false
\tautocrlf = false
[protocol]
\tallow = never
[protocol "https"]
\tallow = always
[protocol "ssh"]
\tallow = always
[protocol "file"]
\tallow = {file}
[advice]
\tdetachedHead = false
[gc]
\tauto = 0
{"".join(_setting(name, value) for name, value in settings)}"""
