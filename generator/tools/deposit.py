"""Packages into a git repository: one commit, on top of whatever others deposited meanwhile."""

from __future__ import annotations

import json
import random
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import git

from generator.destination import Destination
from generator.errors import PublishError
from generator.repository import redacted
from generator.tools.git_environment import git_environment, identity

_ATTEMPTS = 10
_LOST_RACE = (
    r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to lock|failed to update ref|incorrect old"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deposited:
    """Where a package lies now; ``changed`` is False when it lay there already."""

    commit: str
    changed: bool


def deposit(
    package: Path, files: Iterable[str], destination: Destination, *, path: str, message: str, token: str
) -> Deposited:
    """Puts files of a package's folder at ``path`` of the destination's branch, and pushes.

    Of what is there, only the files that an earlier package lists are replaced. When another push comes first, the
    commit is made anew on top of it.

    Raises:
        PublishError: the destination cannot be reached or does not take the commit.
    """
    known = git_environment(destination.repository, token, hooks=destination.trusted)
    with TemporaryDirectory(prefix="packmill-deposit-") as temporary, known as environment:
        try:
            repo = git.Repo.init(temporary, initial_branch="packmill")
            repo.git.update_environment(**environment, **identity(fixed=False))
            repo.create_remote("origin", destination.repository.address)
            return _deposited(repo, {f"{path}/{name}": package / name for name in files}, destination, path, message)
        except (git.GitError, ValueError) as error:
            raise PublishError(_failure(destination, error, token)) from None


def _deposited(
    repo: git.Repo, files: Mapping[str, Path], destination: Destination, path: str, message: str
) -> Deposited:
    for attempt in range(_ATTEMPTS):
        parent = _fetched(repo, destination.branch)
        tree = _tree(repo, parent, files, path)
        if parent and tree == str(repo.git.rev_parse(f"{parent}^{{tree}}")):
            return Deposited(commit=parent, changed=False)
        commit = str(repo.git.commit_tree(tree, *(("-p", parent) if parent else ()), "-m", message))
        try:
            repo.git.push("--quiet", "origin", f"{commit}:refs/heads/{destination.branch}")
            return Deposited(commit=commit, changed=True)
        except git.GitCommandError as error:
            if attempt + 1 == _ATTEMPTS or not re.search(_LOST_RACE, str(error.stderr)):
                raise
        time.sleep(random.uniform(0.1, 0.4) * (attempt + 1))  # noqa: S311 - spreads those who race, hides nothing
    raise AssertionError("the last attempt returns or raises")


def _fetched(repo: git.Repo, branch: str) -> str | None:
    """The branch's commit, without its files' contents where the server can leave them out; None without a branch."""
    ref = f"refs/heads/{branch}"
    if not str(repo.git.ls_remote("origin", ref)):
        return None
    repo.git.fetch("--quiet", "--depth=1", "--no-tags", "--filter=blob:none", "origin", ref)
    return str(repo.git.rev_parse("FETCH_HEAD^{commit}"))


def _tree(repo: git.Repo, parent: str | None, files: Mapping[str, Path], path: str) -> str:
    """The tree that has the package at its path and everything else as it was."""
    repo.git.read_tree(*(("--reset", parent) if parent else ("--empty",)))
    earlier = _earlier(repo, parent, path) if parent else []
    for number in range(0, len(earlier), 200):
        repo.git.update_index("--force-remove", "--", *earlier[number : number + 200])
    for name, file in files.items():
        target = Path(repo.working_dir, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    names = list(files)
    for number in range(0, len(names), 200):
        repo.git.update_index("--add", "--", *names[number : number + 200])
    return str(repo.git.write_tree("--missing-ok"))


def _earlier(repo: git.Repo, parent: str, path: str) -> list[str]:
    """The files of packages that lie at a path, or one folder below it, as their ``package.json`` lists them."""
    listed = str(repo.git.ls_tree("-r", "-z", "--name-only", parent, "--", f"{path}/")).split("\0")
    here = set(listed)
    found: list[str] = []
    for name in listed:
        top = PurePosixPath(name).parent
        if PurePosixPath(name).name == "package.json" and str(path) in (str(top), str(top.parent)):
            try:
                package = json.loads(str(repo.git.cat_file("blob", f"{parent}:{name}")))
                source = package["repository"]
                # a checkout such as main/x lies below the checkout main, and is another package
                if f"{source['owner']}/{source['name']}/{package['checkout']}" == path:
                    found += [f"{top}/{one}" for one in package["documents"] if f"{top}/{one}" in here]
            except (ValueError, KeyError, TypeError):  # someone else's package.json
                continue
    return found


def _failure(destination: Destination, error: Exception, token: str) -> str:
    said = str(getattr(error, "stderr", None) or error).strip().removeprefix("stderr:").strip(" '\n")
    if token:
        said = said.replace(token, "***")
    lines = "\n".join(f"  {line}" for line in redacted(said).splitlines()[-6:] if line.strip())
    where = f"{destination.repository.address}, branch {destination.branch}"
    advice = "check the address, that it can be reached and that you may push there"
    if re.search(r"(?i)could not read (Username|Password)|Authentication failed|401|403|terminal prompts", said):
        advice = "log in by an ssh key, or for https set PACKMILL_PUBLISH_TOKEN in the environment"
    return f"{where}: the package could not be deposited: {advice}\n{lines}"
