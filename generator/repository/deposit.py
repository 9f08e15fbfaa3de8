"""Deposit a package in a git repository: one commit on top of the branch, retried when another push comes first."""

from __future__ import annotations

import random
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from generator.network.address_policy import Access, AddressPolicy, any_destination
from generator.network.guarded_proxy import guarded_proxy
from generator.repository.connection import REDIRECTED, check_repository
from generator.repository.deposited import list_replaceable
from generator.repository.destination import Destination
from generator.repository.fetch_limits import FetchLimits, usual_limits, within_limits
from generator.repository.git_environment import git_environment, identity
from generator.repository.gitpython import git
from generator.repository.places import Claim, Holder, read_holder
from generator.repository.temporary_failures import explain_temporary, is_temporary, pauses, repeat
from generator.shared import durable_files
from generator.shared.errors import PublishError
from generator.shared.safe_text import redacted

_ATTEMPTS = 10
_LOST_RACE = (
    r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to lock|failed to update ref|incorrect old"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deposited:
    """The commit that holds a package; ``changed`` is False if the branch already had the same files."""

    commit: str
    changed: bool


def deposit(
    package: Path,
    files: Iterable[str],
    destination: Destination,
    *,
    path: str,
    message: str,
    token: str,
    replace: bool = False,
    policy: AddressPolicy = any_destination,
    limits: FetchLimits = usual_limits,
) -> Deposited:
    """Commit files of packages at ``path`` of the destination's branch, and push.

    ``package`` is the folder that has the place ``path``: it holds one package, or those of processes in folders below
    it. Only files that an earlier package lists are replaced. When another push comes first, the commit is repeated on
    top of it. ``replace`` also replaces the package of another repository or process.

    Raises:
        PublishError: the policy refuses the destination, it cannot be reached, is beyond the ``limits`` of what is
            fetched, or rejects the commit.
        PlaceTakenError: the path holds the package of another repository or process, or files that no package lists.
    """
    listed = list(files)
    claim = _claim_of(package, listed, path=path, replace=replace)
    with _open_destination(destination, token, policy, limits) as (repo, check):
        named = {f"{path}/{name}": package / name for name in listed}
        return _commit_and_push(repo, named, destination, claim, message, check=check)


def _claim_of(package: Path, files: Iterable[str], *, path: str, replace: bool) -> Claim:
    """Return the claim of the packages among ``files``, without those that packages carry as example values."""
    folders, own = dict[str, str](), Holder(address="", checkout="", place=path)
    for name in files:
        folder, _, file = name.rpartition("/")
        is_record = file == "package.json" and "/" not in folder
        if is_record and (holder := read_holder((package / name).read_bytes())):
            folders[folder], own = holder.process, holder
    return Claim(path=path, own=own, folders=folders, replace=replace)


def check_deposit(
    destination: Destination,
    claim: Claim,
    names: Mapping[str, Iterable[str]],
    *,
    token: str,
    policy: AddressPolicy = any_destination,
    limits: FetchLimits = usual_limits,
) -> None:
    """Check that packages may be deposited, before anything is built; ``names`` are their files by folder.

    Raises:
        PublishError: the policy refuses the destination, it cannot be reached, or is beyond the ``limits``.
        PlaceTakenError: the path holds the package of another repository or process, or files that no package lists.
    """
    with _open_destination(destination, token, policy, limits) as (repo, _):
        parent = _fetch_branch(repo, destination.branch)
        if parent:
            files = (
                PurePosixPath(claim.path, folder, name).as_posix()
                for folder, names_of in names.items()
                for name in names_of
            )
            list_replaceable(repo, parent, claim, files)


@contextmanager
def _open_destination(
    destination: Destination, token: str, policy: AddressPolicy, limits: FetchLimits
) -> Iterator[tuple[git.Repo, Callable[[], None]]]:
    """Create an empty repository with the destination as ``origin``, and raise git's errors as PublishError.

    Yields the repository, and a function that checks the limits.
    """
    access = check_repository(policy, destination.repository)
    with ExitStack() as stack:
        temporary = stack.enter_context(TemporaryDirectory(prefix="packmill-deposit-"))
        where = redacted(destination.repository.address)
        check = stack.enter_context(within_limits(Path(temporary), limits, where, error=PublishError))
        proxy = stack.enter_context(guarded_proxy(policy.reachable)) if access is Access.PUBLIC else None
        environment = stack.enter_context(
            git_environment(destination.repository, token, hooks=destination.trusted, access=access, proxy=proxy)
        )
        try:
            repo = stack.enter_context(git.Repo.init(temporary, initial_branch="packmill"))
            _keep_bytes(repo)
            repo.git.update_environment(**environment, **identity(fixed=False), GIT_LITERAL_PATHSPECS="1")
            repo.create_remote("origin", destination.repository.address)
            yield repo, check
        except (git.GitError, ValueError) as error:
            if proxy and proxy.refused:
                raise PublishError(
                    policy.refusal(destination.repository.address, f"{proxy.refused[-1]}, which is not public")
                ) from None
            raise PublishError(_explain(destination, error, token)) from None


def _keep_bytes(repo: git.Repo) -> None:
    """Have git store files as they are: ``.gitattributes`` of the destination could change line ends, and so checksums.

    This file precedes all others (gitattributes(5)).
    """
    info = Path(repo.git_dir, "info")
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text("* -text -filter -ident -working-tree-encoding\n", encoding="utf-8")


def _commit_and_push(
    repo: git.Repo,
    files: Mapping[str, Path],
    destination: Destination,
    claim: Claim,
    message: str,
    *,
    check: Callable[[], None],
) -> Deposited:
    waits, own = list(pauses), set[str]()
    for attempt in range(_ATTEMPTS):
        parent = _fetch_branch(repo, destination.branch)
        tree = _write_tree(repo, parent, files, claim)
        if parent and tree == str(repo.git.rev_parse(f"{parent}^{{tree}}")):
            return Deposited(commit=parent, changed=parent in own)
        commit = str(repo.git.commit_tree(tree, *(("-p", parent) if parent else ()), "-m", message))
        own.add(commit)
        check()
        pause = random.uniform(0.1, 0.4) * (attempt + 1)  # noqa: S311 - spreads competing pushes, hides nothing
        try:
            repo.git.push("--quiet", *_receiver(destination), "origin", f"{commit}:refs/heads/{destination.branch}")
            _sync_branches(destination)
            return Deposited(commit=commit, changed=True)
        except git.GitCommandError as error:
            if is_temporary(error) and waits:  # the server may have taken it: the next round compares
                pause = waits.pop(0)
            elif attempt + 1 == _ATTEMPTS or not re.search(_LOST_RACE, str(error.stderr)):
                raise
        time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _receiver(destination: Destination) -> tuple[str, ...]:
    """Have a local repository sync what it receives: git's default leaves objects in memory, but writes the branch."""
    settings = "-c core.fsync=all -c core.fsyncMethod=batch"
    return ("--receive-pack", f"git {settings} receive-pack") if destination.repository.local else ()


def _sync_branches(destination: Destination) -> None:
    """Write the names of a local repository's branches to the disk, which git leaves to the file system."""
    if destination.repository.local:
        for folder in (Path(destination.repository.local), Path(destination.repository.local, ".git")):
            durable_files.sync_tree(folder / "refs")


def _fetch_branch(repo: git.Repo, branch: str) -> str | None:
    """Fetch a branch, without file contents if the server can omit them; return its commit, or None if missing."""
    ref = f"refs/heads/{branch}"
    if not repeat(lambda: str(repo.git.ls_remote("origin", ref))):
        return None
    repeat(lambda: repo.git.fetch("--quiet", "--depth=1", "--no-tags", "--filter=blob:none", "origin", ref))
    return str(repo.git.rev_parse("FETCH_HEAD^{commit}"))


def _write_tree(repo: git.Repo, parent: str | None, files: Mapping[str, Path], claim: Claim) -> str:
    """Write the parent's tree with the package at its path and everything else unchanged."""
    repo.git.read_tree(*(("--reset", parent) if parent else ("--empty",)))
    earlier = list_replaceable(repo, parent, claim, files) if parent else []
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


def _explain(destination: Destination, error: Exception, token: str) -> str:
    output = str(getattr(error, "stderr", None) or error).strip().removeprefix("stderr:").strip(" '\n")
    if token:
        output = output.replace(token, "***")
    lines = "\n".join(f"  {line}" for line in redacted(output).splitlines()[-6:] if line.strip())
    where = f"{destination.repository.address}, branch {destination.branch}"
    advice = "check the address, that it can be reached and that you may push there"
    if re.search(REDIRECTED, output):
        advice = "the server redirects to another address: give that one (secrets are not sent along redirects)"
    elif temporary := explain_temporary(output):
        advice = temporary
    elif re.search(r"(?i)could not read (Username|Password)|Authentication failed|401|403|terminal prompts", output):
        advice = "log in by an ssh key, or for https set PACKMILL_PUBLISH_TOKEN in the environment"
    return f"{where}: the package could not be deposited; {advice}\n{lines}"
