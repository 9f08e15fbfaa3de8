"""How git is started: with a configuration and an environment that ask nothing, run no hook and keep secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from generator.repository import Repository

_ASKPASS = """#!/bin/sh
# The prompt is compared whole: a part of it could be a hostile submodule's address.
if [ "$1" = "Username for 'https://$PACKMILL_ASKPASS_HOST': " ]; then
    printf '%s\\n' "$PACKMILL_ASKPASS_USERNAME"
elif [ "$1" = "Password for 'https://$PACKMILL_ASKPASS_USERNAME@$PACKMILL_ASKPASS_HOST': " ]; then
    printf '%s\\n' "$PACKMILL_ASKPASS_PASSWORD"
else
    exit 1
fi
"""
_REPOSITORY_VARIABLES = (
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CONFIG "
    "GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT GIT_COMMON_DIR GIT_NAMESPACE GIT_PREFIX GIT_GRAFT_FILE GIT_SHALLOW_FILE "
    "GIT_IMPLICIT_WORK_TREE GIT_REPLACE_REF_BASE GIT_NO_REPLACE_OBJECTS GIT_INTERNAL_SUPER_PREFIX GIT_TEMPLATE_DIR"
).split()
"""What `git rev-parse --local-env-vars` lists: inside a hook these point at the user's own repository and index."""


_FIXED_DATE = "2026-01-01T00:00:00+00:00"


def identity(*, fixed: bool) -> dict[str, str]:
    """What makes packmill the author of a commit; with a ``fixed`` time the same tree is the same commit."""
    known = {"NAME": "packmill", "EMAIL": "packmill@localhost", **({"DATE": _FIXED_DATE} if fixed else {})}
    return {f"GIT_{role}_{word}": value for role in ("AUTHOR", "COMMITTER") for word, value in known.items()}


@contextmanager
def git_environment(repository: Repository, token: str, *, hooks: bool = False) -> Iterator[dict[str, str]]:
    """The environment that every git command of one fetch runs in; ``hooks`` for a push to where one trusts them."""
    for name in _REPOSITORY_VARIABLES:
        os.environ.pop(name, None)
    with TemporaryDirectory(prefix="packmill-git-") as temporary:
        askpass = Path(temporary, "askpass")
        askpass.write_text(_ASKPASS)
        askpass.chmod(0o700)
        config = Path(temporary, "config")
        config.write_text(_global_config(repository, hooks=hooks))
        password = token or repository.password
        yield {
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_TERMINAL_PROMPT": "0",
            "GCM_INTERACTIVE": "never",
            "GIT_ASKPASS": str(askpass) if password else "true",
            "SSH_ASKPASS": "true",
            "LC_ALL": "C",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "PACKMILL_ASKPASS_HOST": repository.host,
            "PACKMILL_ASKPASS_USERNAME": repository.username or "oauth2",
            "PACKMILL_ASKPASS_PASSWORD": password,
        }


def _global_config(repository: Repository, *, hooks: bool) -> str:
    """The user's own configuration, then what must hold whatever it says."""
    own = [os.environ.get("GIT_CONFIG_GLOBAL", ""), "~/.config/git/config", "~/.gitconfig"]
    included = "\n".join(f'\tpath = "{path}"' for path in (own[:1] if own[0] else own[1:]))
    local = repository.local
    trusted = f'[safe]\n\tdirectory = "{local}"\n\tdirectory = "{local}/.git"' if local else ""
    file = "always" if local else "never"
    no_hooks = "" if hooks else "\thooksPath = /dev/null\n"
    return f"""[core]
\tsshCommand = ssh -o BatchMode=yes
[include]
{included}
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
"""
