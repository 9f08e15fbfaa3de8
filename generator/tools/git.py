"""Git, by GitPython: one commit of a repository into a folder, with as little history as possible.

Nothing asks on the terminal, no hook runs, and only https, ssh and (for local repositories) file are spoken. A token
reaches git through an askpass helper and its environment, never through an argument, and only for the host it is for.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from generator.errors import RepositoryError, nearest
from generator.repository import Repository, check_checkout, redacted
from generator.tools.git_environment import git_environment, identity

try:
    import git
except ImportError as error:  # GitPython's way of saying that the git program is not there
    raise RepositoryError(f"git is not installed: install it and try again ({str(error).splitlines()[0]})") from None

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkout:
    """One commit of a repository, in ``folder``. ``name`` is the branch, tag or commit that was asked for."""

    repository: Repository
    name: str
    commit: str
    message: str
    author: str
    time: datetime
    folder: Path
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The first line of the commit's message."""
        return self.message.partition("\n")[0]


def fetch(
    repository: Repository, checkout: str | None, folder: Path, *, token: str = "", commit: str | None = None
) -> Checkout:
    """Fetches one commit into the empty ``folder``; without ``checkout`` the default branch's.

    With ``commit`` that one, although the checkout may have moved on since: a later stage of a pipeline has what an
    earlier one had.

    Raises:
        RepositoryError: the repository, the checkout or a submodule cannot be had.
    """
    with git_environment(repository, token) as environment:
        secret = token or repository.password
        try:
            repo = git.Repo.init(folder, initial_branch="packmill")
            repo.git.update_environment(**environment)
            repo.create_remote("origin", repository.address)
            refs = _listed(repo)
            name, wanted = _resolve(refs, repository, checkout)
            commit = _fetch_commit(repo, commit or wanted)
            repo.git.checkout("--quiet", "--force", "--detach", commit)
            head = repo.commit(commit)
        except (git.GitError, ValueError) as error:
            raise RepositoryError(_explain(repository, error, secret)) from None
        _fetch_submodules(repo, repository, secret)
        warnings = _unfetched_lfs(repo, folder)
        if repository.local and refs.get("HEAD") == commit:
            warnings += _uncommitted(repo, repository.local)
        _let_everyone_read(folder)
        return Checkout(
            repository=repository,
            name=name,
            commit=commit,
            message=_text(head.message).strip(),
            author=_text(head.author.name or ""),
            time=_time(head.committed_date),
            folder=folder,
            warnings=tuple(warnings),
        )


def _time(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc)
    except (ValueError, OverflowError, OSError):  # a commit may claim any date
        return datetime.fromtimestamp(0, tz=timezone.utc)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _listed(repo: git.Repo) -> dict[str, str]:
    """The repository's refs and their commits; what HEAD stands for is under ``HEAD ->``."""
    refs = {}
    for line in str(repo.git.ls_remote("--symref", "origin")).splitlines():
        target, _, ref = line.partition("\t")
        refs["HEAD ->" if target.startswith("ref: ") and ref == "HEAD" else ref] = target.removeprefix("ref: ")
    return refs


def _resolve(refs: Mapping[str, str], repository: Repository, checkout: str | None) -> tuple[str, str]:
    """The checkout's name and what to fetch for it: a full ref, a full commit or a short one."""
    if checkout is None:
        default = refs.get("HEAD ->", "")
        if default in refs:
            return check_checkout(default.removeprefix("refs/heads/")), default
        if "HEAD" not in refs:
            raise RepositoryError(
                f"{repository.address}: the repository has no commit: commit and push, then try again"
            )
        return refs["HEAD"], refs["HEAD"]
    for prefix in ("refs/heads/", "refs/tags/", ""):
        if prefix + checkout in refs and (prefix or checkout.startswith("refs/")):
            return checkout.removeprefix("refs/heads/").removeprefix("refs/tags/"), prefix + checkout
    if re.fullmatch(r"[0-9a-fA-F]{40}", checkout):
        return checkout.lower(), checkout.lower()
    if re.fullmatch(r"[0-9a-fA-F]{4,39}", checkout):
        matching = {commit for commit in refs.values() if commit.startswith(checkout.lower())}
        return checkout.lower(), matching.pop() if len(matching) == 1 else checkout.lower()
    raise RepositoryError(_unknown_checkout(repository, checkout, refs))


def _unknown_checkout(repository: Repository, checkout: str, refs: Mapping[str, str]) -> str:
    names = [
        re.sub(r"^refs/(heads|tags)/", "", ref)
        for ref in refs
        if re.match(r"refs/(heads|tags)/", ref) and not ref.endswith("^{}")
    ]
    guess = nearest(checkout, names)
    hint = f"; did you mean {guess!r}?" if guess else ""
    some = ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "none"
    return f"{repository.address}: no branch, tag or commit {checkout!r}{hint}\n  there are: {some}"


def _fetch_commit(repo: git.Repo, wanted: str) -> str:
    """Fetches ``wanted`` and gives the full commit; servers that refuse a bare commit get a longer question."""
    short = re.fullmatch(r"[0-9a-f]{4,39}", wanted) is not None
    if not short:
        try:
            repo.git.fetch("--quiet", "--depth=1", "--no-tags", "--", "origin", wanted)
            return str(repo.git.rev_parse("--verify", "FETCH_HEAD^{commit}"))
        except git.GitCommandError:
            if not re.fullmatch(r"[0-9a-f]{40}", wanted):
                raise
    everything = ("origin", "+refs/heads/*:refs/packmill/heads/*", "+refs/tags/*:refs/packmill/tags/*")
    repo.git.fetch("--quiet", "--filter=blob:none", "--no-tags", "--", *everything)
    try:
        return str(repo.git.rev_parse("--verify", "--quiet", "--end-of-options", wanted + "^{commit}"))
    except git.GitCommandError:
        doubt = ", or it is ambiguous: give more of its digits" if short else " on any branch or tag"
        raise RepositoryError(f"{repo.remote('origin').url}: no commit {wanted!r}{doubt}") from None


def _fetch_submodules(repo: git.Repo, repository: Repository, secret: str) -> None:
    """Fetches submodules; by the file protocol only those that lie beside a local repository.

    A repository that is hostile could otherwise name any repository of this machine (CVE-2022-39253).
    """
    if not Path(repo.working_dir, ".gitmodules").is_file() or Path(repo.working_dir, ".gitmodules").is_symlink():
        return
    try:
        if repository.local and _all_beside(repo, repository.local):
            _update_submodules(repo, "always")
        _update_submodules(repo, "never", "--recursive")
    except git.GitError as error:
        raise RepositoryError(f"a submodule cannot be had. {_explain(repository, error, secret)}") from None


def _update_submodules(repo: git.Repo, file_protocol: str, *options: str) -> None:
    update = (
        "-c",
        f"protocol.file.allow={file_protocol}",
        "submodule",
        "update",
        "--init",
        "--force",
        "--quiet",
        *options,
    )
    try:
        repo.git.execute(["git", *update, "--depth=1"])
    except git.GitCommandError:
        repo.git.execute(["git", *update])


def _all_beside(repo: git.Repo, local: Path) -> bool:
    urls = str(repo.git.config("--file", ".gitmodules", "--get-regexp", r"submodule\..*\.url")).splitlines()
    paths = [Path(local, line.partition(" ")[2].removeprefix("file://")).resolve() for line in urls]
    return all(path.is_relative_to(local.parent) for path in paths)


def _unfetched_lfs(repo: git.Repo, folder: Path) -> list[str]:
    """Fetches Git LFS files where git-lfs is there, and names the pointers that are left in place of their files."""
    attributes = (path for path in folder.rglob(".gitattributes") if path.is_file() and not path.is_symlink())
    if not any("filter=lfs" in path.read_text(errors="replace") for path in attributes):
        return []
    if _lfs_pointers(folder):
        with suppress(git.GitError):  # git-lfs may be missing, or its server; what is left is named below
            repo.git.execute(["git", "lfs", "pull"])
    pointers = _lfs_pointers(folder)
    if not pointers:
        return []
    listed = ", ".join(pointers[:10]) + (f" and {len(pointers) - 10} more" if len(pointers) > 10 else "")
    return [f"Git LFS files could not be fetched, only their pointers are packaged: {listed} (is git-lfs installed?)"]


def _lfs_pointers(folder: Path) -> list[str]:
    pointers = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = Path(root, name)
            is_small = path.is_file() and not path.is_symlink() and path.stat().st_size < 1024
            if is_small and path.read_bytes().startswith(_LFS_POINTER):
                pointers.append(str(path.relative_to(folder)))
    return sorted(pointers)


def _uncommitted(repo: git.Repo, local: Path) -> list[str]:
    """What differs in a local working tree, asked with our own repository's configuration, never with its own.

    A repository's configuration can name programs that ``git status`` starts.
    """
    place = ("git", f"--git-dir={repo.git_dir}", f"--work-tree={local}")
    if not (local / ".git").exists():
        return []
    try:
        said = str(repo.git.execute([*place, "status", "--porcelain", "--ignore-submodules=all"]))
    except git.GitError:
        return []
    changed = said.splitlines()
    if not changed:
        return []
    names = ", ".join(line[2:].strip() for line in changed[:5]) + (", …" if len(changed) > 5 else "")
    return [f"not committed and therefore not packaged: {names}"]


def _let_everyone_read(folder: Path) -> None:
    """Whatever the umask here, the image's files are for any user."""
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


def _explain(repository: Repository, error: Exception, secret: str) -> str:
    said = str(getattr(error, "stderr", None) or error).strip().removeprefix("stderr:").strip(" '\n")
    if secret:
        said = said.replace(secret, "***")
    said = redacted(said)
    lines = [line for line in said.splitlines() if line.strip()][-6:]
    advice = "check the address and that it can be reached"
    if repository.local:
        advice = "is it the top of a git repository with a commit? A notebook in a folder of it is named with --process"
    elif re.search(
        r"(?i)could not read (Username|Password)|Authentication failed|401|403|Repository not found|terminal prompts",
        said,
    ):
        advice = "it is private or not there: for a private https repository set PACKMILL_GIT_TOKEN in the environment"
    elif "Permission denied (publickey" in said:
        advice = "the ssh agent or ~/.ssh holds no key that the server accepts"
    return f"{repository.address}: {advice}\n" + "\n".join(f"  {line}" for line in lines)


def commit_folder(source: Path, target: Path, *, message: str) -> None:
    """Makes a repository at ``target`` of the files in ``source``; the same files give the same commit.

    Author and time are fixed, as it is no one's work but a copy.
    """
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(
        source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    )
    with git_environment(Repository(address=str(target), owner="", name="", local=target), "") as environment:
        repo = git.Repo.init(target, initial_branch="main")
        repo.git.update_environment(**environment, **identity(fixed=True))
        repo.git.add("--all")
        tree = repo.git.write_tree()
        commit = repo.git.commit_tree(tree, "-m", message)
        repo.git.update_ref("refs/heads/main", commit)
