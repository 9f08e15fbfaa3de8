"""Connect to a repository: find the address and the credentials by which it can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from generator.network.address_policy import Access, AddressPolicy, locate
from generator.network.addresses import check
from generator.network.guarded_proxy import GuardedProxy, guarded_proxy
from generator.repository.address import Repository
from generator.repository.git_environment import git_environment
from generator.repository.gitpython import git
from generator.repository.temporary_failures import repeat

REDIRECTED = r"returned error: 30[1278]\b"


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """How a repository was reached, and the refs that it lists."""

    access: Access
    refs: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Attempt:
    repository: Repository
    token: str
    access: Access
    redirects: bool = False


def check_repository(policy: AddressPolicy, repository: Repository) -> Access:
    """Return how a repository may be reached.

    Raises:
        PackmillError: the policy refuses the address; raised as the policy's own error class.
    """
    if repository.local:
        return Access.FULL
    access = check(policy, repository.address)
    if access is Access.PUBLIC and locate(repository.address).scheme == "ssh":
        raise policy.error(policy.refusal(repository.address, "ssh uses a key of the operator's account"))
    return access


def connect(
    repo: git.Repo,
    repository: Repository,
    token: str,
    policy: AddressPolicy,
    *,
    stack: ExitStack,
    account: bool = True,
) -> Connection:
    """Make ``repository`` the remote ``origin`` and list its refs, in an environment that lasts as long as ``stack``.

    Secrets go to the requested address and never along a redirect: a server could otherwise redirect git to a private
    repository elsewhere and have its files packaged. A redirect is followed without secrets, or refused if the
    operator lists the allowed addresses.

    Raises:
        git.GitError: git cannot read the repository by any of its addresses.
        PackmillError: the policy refuses the address; raised as the policy's own error class.
    """
    access = check_repository(policy, repository)
    proxy = stack.enter_context(guarded_proxy(policy.reachable)) if access is Access.PUBLIC else None
    if not account:
        access = Access.PUBLIC
    repo.create_remote("origin", repository.address)
    attempts = list(_attempts(repository, token, access, listed=bool(policy.listed)))
    for number, attempt in enumerate(attempts, start=1):
        environment = stack.enter_context(
            git_environment(
                attempt.repository, attempt.token, access=attempt.access, redirects=attempt.redirects, proxy=proxy
            )
        )
        repo.git.update_environment(**environment)
        repo.git.remote("set-url", "origin", attempt.repository.address)
        try:
            return Connection(access=access, refs=_list_refs(repo))
        except git.GitCommandError as error:
            _raise_refused(policy, repository, proxy)
            if number == len(attempts) or not re.search(REDIRECTED, str(error.stderr)):
                raise
    raise AssertionError("the last attempt returns or raises")


def _attempts(repository: Repository, token: str, access: Access, *, listed: bool) -> Iterator[_Attempt]:
    has_secrets = access is Access.FULL or bool(token or repository.password)
    if has_secrets or listed or repository.local:
        yield _Attempt(repository=repository, token=token, access=access)
        if repository.address.startswith("https://") and not repository.address.endswith(".git"):
            longer = replace(repository, address=f"{repository.address.rstrip('/')}.git")  # where GitLab redirects to
            yield _Attempt(repository=longer, token=token, access=access)
    if not listed and not repository.local:
        without = replace(repository, username="", password="")
        yield _Attempt(repository=without, token="", access=Access.PUBLIC, redirects=True)


def _raise_refused(policy: AddressPolicy, repository: Repository, proxy: GuardedProxy | None) -> None:
    if proxy and proxy.refused:
        problem = f"{proxy.refused[-1]}, and only public addresses are reached here"
        raise policy.error(policy.refusal(repository.address, problem)) from None


def _list_refs(repo: git.Repo) -> dict[str, str]:
    """Map the repository's refs to their commits; the key ``HEAD ->`` has the branch of HEAD."""
    refs = {}
    for line in repeat(lambda: str(repo.git.ls_remote("--symref", "origin"))).splitlines():
        target, _, ref = line.partition("\t")
        refs["HEAD ->" if target.startswith("ref: ") and ref == "HEAD" else ref] = target.removeprefix("ref: ")
    return refs
