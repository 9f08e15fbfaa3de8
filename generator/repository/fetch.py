"""Fetch one commit of a repository into a folder with GitPython, with as little history as possible.

Git never prompts, no hook runs, and only the protocols https, ssh and (for local repositories) file are allowed. A
token reaches git through an askpass helper and its environment, never through an argument, and only for the requested
repository. Submodules are fetched as repositories of their own, without credentials unless the operator allows it.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from generator.network.address_policy import AddressPolicy, any_repository
from generator.repository.address import Repository, check_checkout
from generator.repository.checkout import is_file
from generator.repository.commits import read_commit
from generator.repository.connection import connect
from generator.repository.fetch_limits import FetchLimits, usual_limits, within_limits
from generator.repository.git_environment import git_environment, identity, leave_hook
from generator.repository.git_messages import explain_git_error
from generator.repository.git_objects import FetchRequest, check_out, fetch_commit
from generator.repository.gitpython import git
from generator.repository.lfs import LfsFiles, fetch_lfs
from generator.repository.parts import find_part
from generator.repository.scripts import repair_scripts
from generator.repository.source import Source
from generator.repository.submodules import fetch_submodules, list_folders, warn_of_empty_folders
from generator.repository.versions import describe_version, packaging_texts
from generator.shared.errors import RepositoryError
from generator.shared.file_names import shown_name
from generator.shared.suggestions import did_you_mean, list_some


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkout:
    """One commit of a repository, in ``folder``. ``name`` is the requested branch, tag or commit.

    ``version`` is that of its packages, if they read it from git; ``left_out`` are submodules whose folders are empty,
    ``pointers`` Git LFS files that could not be fetched.
    """

    repository: Repository
    name: str
    commit: str
    message: str
    parents: int
    time: datetime
    folder: Path
    version: str = ""
    left_out: tuple[str, ...] = ()
    pointers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def source(self) -> Source:
        """The commit, apart from the folder that it is checked out in."""
        return Source(
            address=self.repository.address,
            owner=self.repository.owner,
            name=self.repository.name,
            checkout=self.name,
            commit=self.commit,
            message=self.message,
            time=self.time,
            version=self.version,
            parents=self.parents,
            pointers=self.pointers,
        )


def fetch(
    repository: Repository,
    checkout: str | None,
    folder: Path,
    *,
    token: str = "",
    commit: str | None = None,
    policy: AddressPolicy = any_repository,
    submodules: tuple[str, ...] = (),
    with_submodules: bool = True,
    limits: FetchLimits = usual_limits,
) -> Checkout:
    """Fetch one commit into the empty ``folder``; without ``checkout``, that of the default branch.

    ``commit`` pins the commit even if the checkout has changed since, so that all stages of a pipeline use the same
    one. ``submodules`` are the words of ``PACKMILL_SUBMODULES``; without ``with_submodules``, their folders stay empty.
    A local folder inside a repository is checked out with it; the checkout is that folder alone.

    Raises:
        RepositoryError: the repository, the checkout or a submodule cannot be fetched, the policy refuses it, or it is
            beyond the ``limits``.
    """
    part = find_part(repository)
    top = FetchRequest(repository=part.repository, token=token, policy=policy, submodules=submodules)
    leave_hook()
    folder.mkdir(parents=True, exist_ok=True)
    with within_limits(folder, limits, repository.address), ExitStack() as stack:
        try:
            repo = stack.enter_context(git.Repo.init(folder, initial_branch="packmill"))
            connection = connect(repo, part.repository, token, policy, stack=stack)
            name, revision = resolve_checkout(connection.refs, part.repository, checkout)
            commit = check_out(repo, fetch_commit(repo, commit or revision))
            head, place = read_commit(repo, commit), part.folder(folder, commit)
            version, warning = describe_version(repo, connection.refs) if any(packaging_texts(place)) else ("", "")
        except (git.GitError, ValueError) as error:
            raise RepositoryError(explain_git_error(repository, error, top.secret)) from None
        if with_submodules:
            fetch_submodules(top, repo)
        if is_file(Path(folder, ".gitmodules")):
            repo.git.execute(["git", "submodule", "--quiet", "absorbgitdirs"], with_exceptions=False)
        lfs = fetch_lfs(top, repo, connection)
        warnings = [*lfs.warnings, *([warning] if warning else [])]
        left_out = [] if with_submodules else part.below(list_folders(repo))
        warnings += warn_of_empty_folders(left_out)
        if part.repository.local and connection.refs.get("HEAD") == commit:
            warnings += _uncommitted(repo, part.repository.local, part.path, lfs)
        warnings += repair_scripts(place)
        _let_everyone_read(folder)
        return Checkout(
            repository=repository,
            name=name,
            commit=commit,
            message=head.message,
            parents=head.parents,
            time=head.time,
            folder=place,
            version=version,
            left_out=tuple(left_out),
            pointers=lfs.missing,
            warnings=tuple(warnings),
        )


def resolve_checkout(refs: Mapping[str, str], repository: Repository, checkout: str | None) -> tuple[str, str]:
    """Return the checkout's name and what to fetch for it: a full ref, a full commit or an abbreviated one.

    Raises:
        RepositoryError: the repository has no such branch or tag, and the text is not a commit.
    """
    if checkout in (None, "HEAD"):
        default = refs.get("HEAD ->", "")
        if default in refs:
            return check_checkout(default.removeprefix("refs/heads/")), default
        if "HEAD" not in refs:
            raise RepositoryError(
                f"{repository.address}: its default branch has no commit; commit and push, then try again"
            )
        return refs["HEAD"], refs["HEAD"]
    for ref in _spell_out(checkout):
        if ref in refs:
            return ref.removeprefix("refs/heads/").removeprefix("refs/tags/"), ref
    if re.fullmatch(r"[0-9a-fA-F]{40}", checkout):
        return checkout.lower(), checkout.lower()
    if re.fullmatch(r"[0-9a-fA-F]{4,39}", checkout):
        matching = {commit for commit in refs.values() if commit.startswith(checkout.lower())}
        return checkout.lower(), matching.pop() if len(matching) == 1 else checkout.lower()
    raise RepositoryError(_unknown_checkout(repository, checkout, refs))


def _spell_out(checkout: str) -> tuple[str, ...]:
    """Return the full refs that a name may be short for, as git resolves it, in a clone of the repository too."""
    branch = checkout.removeprefix("refs/remotes/").removeprefix("remotes/").removeprefix("origin/")
    own = (checkout,) if checkout.startswith("refs/") else (f"refs/{checkout}",)
    return (f"refs/heads/{checkout}", f"refs/tags/{checkout}", *own, f"refs/heads/{branch}")


def _unknown_checkout(repository: Repository, checkout: str, refs: Mapping[str, str]) -> str:
    names = [
        re.sub(r"^refs/(heads|tags)/", "", ref)
        for ref in refs
        if re.match(r"refs/(heads|tags)/", ref) and not ref.endswith("^{}")
    ]
    hint, some = did_you_mean(checkout, names), list_some(names, limit=8) or "none"
    return f"{repository.address}: branch, tag or commit {checkout!r} not found{hint}\n  available: {some}"


def _uncommitted(repo: git.Repo, local: Path, part: str, lfs: LfsFiles) -> list[str]:
    """Warn of uncommitted changes in a local working tree, or in a folder of it.

    Git runs with the configuration of packmill's own clone: that of the repository can name programs that
    ``git status`` starts. So git compares Git LFS files with their pointers, and they count only if they have changed.
    """
    place = ("git", f"--git-dir={repo.git_dir}", f"--work-tree={local}")
    if not (local / ".git").exists():
        return []
    try:
        only = ("--", f":(top,literal){part}") if part else ()
        words = ("status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all", *only)
        status = str(repo.git.execute([*place, *words]))
    except git.GitError:
        return []
    listed = [entry[3:] for entry in status.split("\0") if entry]
    changed = [path for path in listed if path not in lfs.pointers or not lfs.pointers[path].is_unchanged(local / path)]
    if not changed:
        return []
    names = ", ".join(map(shown_name, changed[:5])) + (", …" if len(changed) > 5 else "")
    return [f"not committed and therefore not packaged: {names}"]


def _let_everyone_read(folder: Path) -> None:
    """Make files readable for every user of the image, independent of the umask."""
    for root, folders, files in os.walk(folder):
        if root == str(folder) and ".git" in folders:
            folders.remove(".git")
        for name in (*folders, *files):
            path = Path(root, name)
            if not path.is_symlink():
                mode = stat.S_IMODE(path.stat().st_mode)
                extra = 0o755 if path.is_dir() or mode & 0o100 else 0o644
                path.chmod(mode | extra)
    folder.chmod(0o755)


def commit_folder(source: Path, target: Path, *, message: str) -> None:
    """Create a repository at ``target`` with the files in ``source``; the same files give the same commit.

    Author and time are fixed so that the commit depends on the files alone.
    """
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(
        source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    )
    place = Repository(address=str(target), owner="", name="", local=target)
    with git_environment(place, "") as environment, git.Repo.init(target, initial_branch="main") as repo:
        repo.git.update_environment(**environment, **identity(fixed=True))
        repo.git.add("--all")
        tree = repo.git.write_tree()
        commit = repo.git.commit_tree(tree, "-m", message)
        repo.git.update_ref("refs/heads/main", commit)
