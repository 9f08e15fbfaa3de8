"""List the submodules that the ``.gitmodules`` of a checkout declares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import git


@dataclass(frozen=True, kw_only=True, slots=True)
class Submodule:
    """A commit of another repository that belongs in a folder of the checkout; ``url`` is absolute."""

    path: str
    url: str
    commit: str


def list_submodules(repo: git.Repo) -> list[Submodule]:
    """List the submodules of the commit that is checked out; nothing is fetched.

    Raises:
        git.GitError: ``.gitmodules`` is invalid, or the address of a submodule is missing.
    """
    file = Path(repo.working_dir, ".gitmodules")
    if not file.is_file() or file.is_symlink():
        return []
    repo.git.execute(["git", "submodule", "--quiet", "init"])  # git resolves relative addresses and checks names
    declared = _read_settings(repo, "--file", ".gitmodules")
    urls = {name: keys["url"] for name, keys in _read_settings(repo, "--local").items() if "url" in keys}
    commits = _list_gitlinks(repo)
    return [
        Submodule(path=path, url=urls[name], commit=commits[path])
        for name, keys in declared.items()
        if (path := keys.get("path", "").rstrip("/")) in commits and name in urls and keys.get("update") != "none"
    ]


def _read_settings(repo: git.Repo, *source: str) -> dict[str, dict[str, str]]:
    """Read the settings of each submodule in a configuration file."""
    found: dict[str, dict[str, str]] = {}
    command = ["git", "config", "--null", *source, "--get-regexp", r"^submodule\..*\.(path|url|update)$"]
    for entry in str(repo.git.execute(command, with_exceptions=False)).split("\0"):
        key, _, value = entry.partition("\n")
        name, _, setting = key.removeprefix("submodule.").rpartition(".")
        if name:
            found.setdefault(name, {})[setting] = value
    return found


def _list_gitlinks(repo: git.Repo) -> dict[str, str]:
    """Map the paths of submodules in the index to their commits."""
    entries = str(repo.git.ls_files("-z", "--stage")).split("\0")
    links = [entry.partition("\t") for entry in entries if entry.startswith("160000 ")]
    return {path: head.split(" ")[1] for head, _, path in links}
