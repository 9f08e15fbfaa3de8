"""List a repository's branches, tags and files without fetching the contents of files, and then fetch some of them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from generator.network.address_policy import AddressPolicy, any_repository
from generator.repository.address import Repository
from generator.repository.connection import connect
from generator.repository.fetch import resolve_checkout
from generator.repository.git_environment import leave_hook
from generator.repository.git_messages import explain_git_error
from generator.repository.git_objects import fetch_commit, is_too_deep, is_too_long, list_tree
from generator.repository.gitpython import git
from generator.shared.errors import RepositoryError

_MOST_FILES = 20_000
"""Files that a listing has; a repository may have millions."""
_MODES = ("100644 ", "100755 ")
"""Ordinary files: links, and the commits of submodules, have other modes (``git ls-tree``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class References:
    """The branches and tags of a repository; ``default`` is the branch of HEAD, empty if it has none."""

    default: str
    branches: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """The files of one commit; ``cut`` if there are more. ``checkout`` is the name of the branch, tag or commit."""

    checkout: str
    commit: str
    paths: tuple[str, ...]
    cut: bool


class ListedRepository:
    """A repository that is connected for as long as `listed_repository` is open."""

    def __init__(self, repo: git.Repo, repository: Repository, refs: dict[str, str], secret: str) -> None:
        self._repo, self._repository, self._refs, self._secret = repo, repository, refs, secret

    @property
    def references(self) -> References:
        """The branches and tags, in the order of their names."""
        return References(
            default=self._refs.get("HEAD ->", "").removeprefix("refs/heads/"),
            branches=tuple(sorted(_names(self._refs, "refs/heads/"))),
            tags=tuple(sorted(_names(self._refs, "refs/tags/"), key=_version_key, reverse=True)),
        )

    def list_files(self, checkout: str | None) -> Listing:
        """Fetch a commit without its files' contents, and list the files; without a checkout, of the default branch.

        Raises:
            RepositoryError: the checkout does not exist or cannot be fetched.
        """
        try:
            name, revision = resolve_checkout(self._refs, self._repository, checkout)
            commit = fetch_commit(self._repo, revision, contents=False)
            entries = list(list_tree(self._repo, commit))
        except (git.GitError, ValueError) as error:
            raise RepositoryError(explain_git_error(self._repository, error, self._secret)) from None
        paths = [entry.partition("\t")[2] for entry in entries if entry.startswith(_MODES)]
        fitting = [path for path in paths if path.isprintable() and not _is_odd(path)]
        return Listing(checkout=name, commit=commit, paths=tuple(fitting[:_MOST_FILES]), cut=len(fitting) > _MOST_FILES)

    def check_out_some(self, listing: Listing, paths: Iterable[str]) -> Path:
        """Return the folder with these files, and with an empty file in place of each other one of the listing.

        Raises:
            RepositoryError: the files cannot be fetched.
        """
        folder = Path(str(self._repo.working_dir))
        for path in listing.paths:  # before git writes anything: there is no link yet that leads elsewhere
            with suppress(OSError):  # a name that is too long, or that of a folder as well
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).touch()
        listed = set(listing.paths)
        wanted = [path for path in paths if path in listed]
        try:
            for number in range(0, len(wanted), 200):
                self._repo.git.checkout("--quiet", "--force", listing.commit, "--", *wanted[number : number + 200])
        except git.GitError as error:
            raise RepositoryError(explain_git_error(self._repository, error, self._secret)) from None
        return folder


@contextmanager
def listed_repository(
    repository: Repository, folder: Path, *, token: str = "", policy: AddressPolicy = any_repository
) -> Iterator[ListedRepository]:
    """Connect to a repository, with an empty ``folder`` for what is fetched.

    Raises:
        RepositoryError: the repository cannot be read, or the policy refuses it.
    """
    leave_hook()
    secret = token or repository.password
    with ExitStack() as stack:
        try:
            repo = stack.enter_context(git.Repo.init(folder, initial_branch="packmill"))
            connection = connect(repo, repository, token, policy, stack=stack)
        except (git.GitError, ValueError) as error:
            raise RepositoryError(explain_git_error(repository, error, secret)) from None
        repo.git.update_environment(GIT_LITERAL_PATHSPECS="1")
        yield ListedRepository(repo, repository, connection.refs, secret)


def files_near(paths: Iterable[str], process: str) -> list[str]:
    """Return the files that describe a process: it, small texts next to it, at the top and in a binder folder."""
    folders = {"", "binder", ".binder", *(_parents(process))}
    return [path for path in paths if path == process or (posixpath.dirname(path) in folders and _is_text(path))]


_TEXTS = frozenset(".txt .toml .cfg .in .lock .yml .yaml .json .cff .md .rst .py .r .jl .nix .sh .bib .ini".split())


def _is_text(path: str) -> bool:
    return posixpath.splitext(path)[1].lower() in {"", *_TEXTS}


def _parents(path: str) -> Iterator[str]:
    for parent in PurePosixPath(path).parents:
        yield "" if str(parent) == "." else str(parent)


def _is_odd(path: str) -> bool:
    """Return whether a path leaves the folder or is git's, which git checks only when it writes, or is unreachable."""
    is_elsewhere = any(part in ("", ".", "..", ".git") for part in path.lower().split("/"))
    return is_elsewhere or is_too_deep(path) or is_too_long(path)


def _names(refs: Iterable[str], start: str) -> Iterator[str]:
    for ref in refs:
        if ref.startswith(start) and not ref.endswith("^{}"):
            yield ref.removeprefix(start)


def _version_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts ``v10`` after ``v9``."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,9})", name))
