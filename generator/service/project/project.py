"""The project whose pipelines run: a git repository with a ``.gitlab-ci.yml``."""

from __future__ import annotations

import errno
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from generator.repository.git_environment import MISSING_GIT, identity
from generator.service.project import pipeline_file
from generator.service.project.pipeline_file import PipelineFile
from generator.shared.errors import RepositoryError, UsageError
from generator.shared.passing_errors import may_pass
from generator.subprocesses.commands import run

_MOST_KNOWN = 1000
_LONGEST_REF = 255
"""Characters of a ref: git hosts take no more, and a program takes no argument of 128 KiB (execve(2))."""
_TIMEOUT = 60.0
"""Seconds for one question to git."""
_TIMED_OUT, _NOT_INSTALLED = 124, 127
_GIT = ("git", *"-c commit.gpgsign=false -c core.fsync=all -c core.fsyncMethod=batch".split())
_GIT += tuple("-c gc.auto=0 -c maintenance.auto=false".split())
"""Git for the snapshot: on the disk when a command ends, and nothing in the background has locks."""
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)
_PASSING = re.compile(
    "|".join((*(re.escape(os.strerror(number)) for number in _SHORTAGES), "Out of memory", "loading shared libraries"))
)
"""What git prints if the machine or its network file system fails, with the exit codes of a wrong question."""


class GitUnavailableError(OSError):
    """Git does not answer now, such as without memory or on a slow network file system; it may later."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EAGAIN, reason)


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """The commit that a branch or tag (``tag``) points to."""

    ref: str
    sha: str
    tag: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit; times as ISO 8601."""

    sha: str
    title: str
    message: str
    author: str
    email: str
    time: str
    parents: tuple[str, ...]


class Project:
    """One project; clients address it by ``id`` or ``path`` (``owner/name``)."""

    def __init__(
        self, folder: Path, *, number: int, path: str | None, timeout: float, snapshots: Path | None = None
    ) -> None:
        """Open the project and check its pipeline file.

        A folder without git, such as an unpacked release, is copied into a new repository at ``snapshots``.

        Raises:
            RepositoryError: git is not installed.
            UsageError: the folder is not the top of a git repository, has no commit, or has no supported pipeline file;
                or git does not answer now.
        """
        if not shutil.which("git"):
            raise RepositoryError(MISSING_GIT)
        self.path = path or f"{_slug(folder.resolve().parent.name)}/{_slug(folder.resolve().name)}"
        if snapshots and not (folder / ".git").exists() and (folder / pipeline_file.name).is_file():
            folder = _create_snapshot(folder.resolve(), snapshots)
        self.folder, self.id, self._timeout = folder.resolve(), number, timeout
        self._files: dict[str, PipelineFile] = {}
        self._known: dict[str, tuple[object, Revision]] = {}
        git = self.folder / ".git"
        self._refs = git if (git / "refs").is_dir() and not (git / "reftable").exists() else None
        try:
            self.default_branch = self._check_top(folder)
        except GitUnavailableError as error:
            raise UsageError(f"{folder}: {error.strerror}; try again later") from None

    def _check_top(self, folder: Path) -> str:
        """Check the repository and the pipeline file of its latest commit; return its default branch."""
        top = self._git("rev-parse", "--show-toplevel")
        if top is None or Path(top) != self.folder:
            raise UsageError(
                f"{folder}: not the top of a git repository; pass --project the top of a clone of packmill"
            )
        branch = self._git("symbolic-ref", "--quiet", "--short", "HEAD") or "main"
        head = self._git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if head is None:
            raise UsageError(f"{folder}: the repository has no commit")
        self.file(head)
        return branch

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def resolve(self, ref: str) -> Revision | None:
        """Return the branch or tag with a name, None if it does not exist.

        Raises:
            GitUnavailableError: git does not answer now.
        """
        if len(ref) > _LONGEST_REF or not re.fullmatch(r"(?!-)[\w./+@#-]+", ref) or ".." in ref:
            return None
        short = re.sub(r"^refs/(heads|tags)/", "", ref)
        stamp = self._ref_state(short)
        known = self._known.get(ref)
        if stamp and known and known[0] == stamp:
            return known[1]
        found = self._find_ref(ref, short)
        if found and stamp and len(self._known) < _MOST_KNOWN:
            self._known[ref] = (stamp, found)
        return found

    def _ref_state(self, short: str) -> tuple[object, ...] | None:
        """Return the state of the files that hold a ref, which changes with it; None for other ref storages."""
        if self._refs is None:
            return None
        files = ("HEAD", "packed-refs", f"refs/heads/{short}", f"refs/tags/{short}")
        return tuple(_file_state(self._refs / file) for file in files)

    def _find_ref(self, ref: str, short: str) -> Revision | None:
        for kind in ("heads", "tags"):
            sha = self._git("rev-parse", "--verify", "--quiet", f"refs/{kind}/{short}^{{commit}}")
            if sha and (ref == short or ref.startswith(f"refs/{kind}/")):
                return Revision(ref=short, sha=sha, tag=kind == "tags")
        if short == self.default_branch:  # a clone in CI has a detached HEAD and no branch at all
            sha = self._git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
            return Revision(ref=short, sha=sha, tag=False) if sha else None
        return None

    def commit(self, ref: str) -> Commit | None:
        """Return the commit of a ref or a (short) SHA.

        Raises:
            GitUnavailableError: git does not answer now.
        """
        found = self.resolve(ref)
        sha = found.sha if found else ref
        if not re.fullmatch(r"[0-9a-f]{7,64}", sha):
            return None
        fields = self._git(
            "log", "-1", "--no-show-signature", "--format=%H%x00%s%x00%B%x00%an%x00%ae%x00%cI%x00%P", sha
        )
        if fields is None:
            return None
        whole, title, message, author, email, time, parents = fields.split("\0")
        return Commit(
            sha=whole,
            title=title,
            message=message,
            author=author,
            email=email,
            time=time,
            parents=tuple(parents.split()),
        )

    def file(self, sha: str) -> PipelineFile:
        """Return the pipeline file of a commit.

        Raises:
            UsageError: the commit has no pipeline file, or the file uses something that the service does not support.
            GitUnavailableError: git does not answer now.
        """
        if sha not in self._files:
            text = self._git("show", f"{sha}:{pipeline_file.name}")
            if text is None:
                raise UsageError(f"{self.folder}: commit {sha[:8]} has no {pipeline_file.name}")
            self._files[sha] = pipeline_file.read(text, timeout=self._timeout)
        return self._files[sha]

    def has_file(self, name: str) -> bool:
        """Return whether the latest commit has a file.

        Raises:
            GitUnavailableError: git does not answer now.
        """
        return self._git("cat-file", "-e", f"HEAD:{name}") is not None

    def same_files(self, sha: str, names: tuple[str, ...], folder: Path) -> bool:
        """Return whether files of a commit equal those of a folder.

        Raises:
            GitUnavailableError: git does not answer now.
        """
        return all(
            (folder / name).is_file()
            and self._git("rev-parse", f"{sha}:{name}") == self._git("hash-object", "--", str(folder / name))
            for name in names
        )

    def has_git(self) -> bool:
        """Return whether git answers for this repository now."""
        try:
            return self._git("rev-parse", "--git-dir") is not None
        except GitUnavailableError:
            return False

    def _git(self, *words: str) -> str | None:
        """Return what git prints, None if that does not exist.

        Raises:
            GitUnavailableError: git does not answer now.
        """
        command = ("git", "-c", "safe.directory=*", "-C", str(self.folder), *words)
        try:
            done = run(command, environment={"LC_ALL": "C"}, timeout=_TIMEOUT)
        except OSError as error:
            if not may_pass(error):
                raise
            raise GitUnavailableError(f"git {words[0]}: {error.strerror}") from error
        if done.code < 0 or done.code in (_TIMED_OUT, _NOT_INSTALLED) or (done.code and _PASSING.search(done.stderr)):
            reason = done.stderr.strip() or f"ended with code {done.code}"
            raise GitUnavailableError(f"git {words[0]}: {reason}")
        return done.stdout.rstrip("\n") if done.code == 0 else None


def _create_snapshot(folder: Path, target: Path) -> Path:
    """Add a commit of a folder's content to the repository at ``target``, which is in the data folder.

    What .gitignore excludes is left out, and so is the data folder, whose secrets every job would have. The caller has
    locked the data folder, so no other start writes to the repository.

    Raises:
        UsageError: git fails.
    """
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_unfinished(target / ".git")
    place = (*_GIT, f"--git-dir={target / '.git'}", f"--work-tree={folder}")
    commands = (
        (*_GIT, "init", "--quiet", "--initial-branch=main", str(target)),
        (*place, "add", "--all", "--", ".", *_exclusion(folder, target.resolve().parent)),
        (*place, "commit", "--quiet", "--allow-empty", "--message", "The folder as it is"),
    )
    for command in commands:
        done = run(command, environment=identity(fixed=True), cwd=folder, timeout=300)
        if done.code != 0:
            raise UsageError(f"{folder}: not in git, and cannot be copied into a repository: {done.stderr.strip()}")
    return target


def _exclusion(folder: Path, data: Path) -> tuple[str, ...]:
    """Return the pathspec that leaves the data folder out, if it is in the folder; gitglossary(7).

    All of its letters are escaped: ``git add`` fails if the start of a pathspec, up to the first special character, is
    a file that .gitignore excludes, such as the data folder.
    """
    if not data.is_relative_to(folder):
        return ()
    names = (re.sub(r"(?s).", r"\\\g<0>", name) for name in data.relative_to(folder).parts)
    return (":(exclude,glob)" + "/".join((*names, "**")),)


def _remove_unfinished(repository: Path) -> None:
    """Remove what a start that was killed may have left, and with which git fails: locks, and a part of the index."""
    for file in (*repository.rglob("*.lock"), repository / "index"):
        file.unlink(missing_ok=True)


def _file_state(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "packmill"
