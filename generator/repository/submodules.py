"""Find and fetch the submodules that the ``.gitmodules`` of a checkout declares."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from generator.network.address_policy import is_listed, may_use_credentials
from generator.repository.address import Repository, parse_repository
from generator.repository.connection import connect
from generator.repository.git_messages import NEEDS_LOGIN, git_messages
from generator.repository.git_objects import FetchRequest, check_out, fetch_commit
from generator.repository.gitpython import git
from generator.shared.errors import PackmillError, RepositoryError
from generator.shared.suggestions import list_some

_LEAVE_OUT = "leave submodules out with --no-submodules"
_MAX_DEPTH = 10
"""Levels of submodules within submodules."""


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
    if file.is_symlink() or not file.is_file():
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


def list_folders(repo: git.Repo) -> list[str]:
    """Return the folders of a commit's submodules."""
    return sorted(_list_gitlinks(repo))


def warn_of_empty_folders(paths: list[str]) -> list[str]:
    """Return a warning that names the submodules whose folders stay empty, if there are any."""
    return [f"submodules are left out, their folders are empty: {list_some(paths, limit=8)}"] if paths else []


def fetch_submodules(top: FetchRequest, repo: git.Repo, *, depth: int = 0) -> None:
    """Fetch submodules recursively, each as a repository of its own, without credentials unless they are allowed.

    The file protocol is allowed only for submodules next to a local repository: a hostile repository could otherwise
    name any repository of this machine (CVE-2022-39253).
    """
    try:
        submodules = list_submodules(repo)
    except git.GitError as error:
        problem = f"its .gitmodules cannot be read; correct it, or {_LEAVE_OUT}"
        raise RepositoryError(f"{top.repository.address}: {problem}\n{git_messages(error, top.secret)}") from None
    for submodule in submodules:
        where = f"{top.repository.address}: submodule {submodule.path!r}"
        if depth >= _MAX_DEPTH:
            raise RepositoryError(f"{where}: submodules are nested more than {_MAX_DEPTH} deep")
        _fetch_submodule(top, Path(repo.working_dir), submodule, where=where, depth=depth)


def _fetch_submodule(top: FetchRequest, parent: Path, submodule: Submodule, *, where: str, depth: int) -> None:
    try:
        repository = parse_repository(submodule.url)
    except PackmillError as error:
        raise RepositoryError(f"{where}: {error}\n  or {_LEAVE_OUT}") from None
    near = top.repository.local if depth == 0 else None
    if repository.local and not (near and repository.local.is_relative_to(near.parent)):
        raise RepositoryError(
            f"{where}: {repository.address} is not next to the repository; give it an https URL, or {_LEAVE_OUT}"
        )
    folder = parent / submodule.path
    if folder.resolve() != parent.resolve() / submodule.path or not folder.is_dir() or any(folder.iterdir()):
        raise RepositoryError(f"{where}: its folder is not an empty folder of the repository")
    allowed = _may_use_credentials(repository, top)
    token = top.token if allowed and repository.host == top.repository.host else ""
    with ExitStack() as stack:
        repo = stack.enter_context(git.Repo.init(folder, initial_branch="packmill"))
        try:
            connect(repo, repository, token, top.policy, account=allowed, stack=stack)
            check_out(repo, fetch_commit(repo, submodule.commit))
        except (git.GitError, ValueError) as error:
            cause = git_messages(error, repository.password, top.secret)
            raise RepositoryError(_explain_submodule(where, repository, cause, allowed=allowed)) from None
        except RepositoryError as error:  # of the commit, or of the address
            raise RepositoryError(f"{where}: {error}\n  correct it in the repository, or {_LEAVE_OUT}") from None
        fetch_submodules(top, repo, depth=depth + 1)


def _may_use_credentials(submodule: Repository, top: FetchRequest) -> bool:
    """Return whether the operator allows credentials for a submodule.

    The author of a repository chooses the addresses of its submodules. With credentials, such an address could be
    another owner's private repository, whose files get into the image.
    """
    if submodule.local:
        return False
    if top.repository.local:  # a local repository has neither owner nor host
        return is_listed(submodule.address, top.submodules)
    return may_use_credentials(submodule.address, top.repository.address, top.submodules)


def _explain_submodule(where: str, repository: Repository, output: str, *, allowed: bool) -> str:
    if allowed or not re.search(f"{NEEDS_LOGIN}|Permission denied|Host key verification", output):
        advice = f"check its address in .gitmodules and that it can be reached, or {_LEAVE_OUT}"
        return f"{where}: cannot be fetched from {repository.address}; {advice}" + f"\n{output}"
    return (
        f"{where}: {repository.address} is private or missing, and submodules are fetched without credentials; if its "
        "files may be packaged, allow it in PACKMILL_SUBMODULES: 'owner' (repositories of the same owner), 'host' (of "
        f"the same host), or its address; or {_LEAVE_OUT}\n{output}"
    )
