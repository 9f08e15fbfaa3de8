"""Choose how jobs are isolated from the service, from its user and from each other."""

from __future__ import annotations

import json
import os
import pwd
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from generator.service.jobs.confinement import COMPLETE_ABI, OLDEST_ABI, landlock_abi
from generator.service.store.job_folders import DataFolder
from generator.shared.errors import UsageError
from generator.shared.removal import remove_tree
from generator.subprocesses.commands import run

_PROGRAM = Path(__file__).with_name("confinement.py")
_ENGINE_STATE = tuple(map(Path, ("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers")))
# Writes where a job may write, then reads where a job may not: code 3 if reading succeeds.
_PROBE = """\
import sys
open(sys.argv[1], "w").close()
try:
    open(sys.argv[2])
except PermissionError:
    sys.exit()
sys.exit(3)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Isolation:
    """How jobs run: ``confined`` by Landlock, as ``user`` (the service's own if None), with more ``writable`` folders.

    ``home_hidden`` also hides the home folder, except the settings of git, ssh, Docker and pip. ``secrets`` are files
    and folders of the operator that no job may read.
    """

    confined: bool = False
    user: str | None = None
    writable: tuple[Path, ...] = ()
    home_hidden: bool = False
    secrets: tuple[Path, ...] = ()

    @property
    def home(self) -> Path | None:
        """The home folder of the account that jobs run as."""
        try:
            account = pwd.getpwnam(self.user) if self.user else pwd.getpwuid(os.getuid())
        except KeyError:
            return None
        return Path(account.pw_dir)

    def files(self, data: DataFolder, number: int, *, shared: tuple[Path, ...], read: tuple[Path, ...]) -> Any:
        """Return the ``files`` of a job for `generator.service.jobs.confinement`; None for no limits."""
        own = (data.work(number), data.temporary(number), data.cache / "packmill")
        return self.rules(data, writable=(*own, *shared, *self.writable), read=read)

    def private(self, data: DataFolder) -> list[Path]:
        """Return what no job may read: the service's data and the operator's secrets, now, as links change.

        A pipe, such as that of a shell's ``<(pass show token)``, is empty after it has been read.
        """
        secrets = {place for path in self.secrets for place in (path, path.resolve())}
        pipes = {path for path in secrets if path.is_relative_to("/dev/fd") or path.resolve().is_relative_to("/proc")}
        return [data.path, *sorted(secrets - pipes)]

    def rules(self, data: DataFolder, *, writable: Iterable[Path], read: Iterable[Path]) -> Any:
        """Return the ``files`` of a program that writes to no other folders; None for no limits."""
        if not self.confined:
            return None
        home = self.home.resolve() if self.home_hidden and self.home else None
        hidden = [*self.private(data), *_ENGINE_STATE, *([home] if home and len(home.parts) > 1 else [])]
        settings = home_links(self.home) if self.home else {}
        readable = (Path(sys.prefix), Path(sys.base_prefix), *settings.values(), *read)
        return {
            "hidden": [str(path) for path in hidden],
            "readable": [str(path.resolve()) for path in readable],
            "writable": [str(path) for path in writable],
        }


def choose_isolation(
    data: DataFolder,
    *,
    user: str | None,
    writable: tuple[Path, ...],
    required: bool,
    home_hidden: bool,
    secrets: tuple[Path, ...] = (),
) -> tuple[Isolation, list[str]]:
    """Return the isolation that this host supports, tested with a real process, and messages for the operator.

    Raises:
        UsageError: the user does not exist or cannot run jobs, a writable folder overlaps the service's data, or the
            host does not support the required isolation.
    """
    _check_user(user)
    abi = landlock_abi()
    chosen = Isolation(
        confined=abi >= OLDEST_ABI, user=user, writable=writable, home_hidden=home_hidden, secrets=secrets
    )
    for folder in writable:
        if private := _overlap(folder.resolve(), chosen.private(data)):
            what = "the service's own data" if private == data.path else str(private)
            raise UsageError(f"--job-writes {folder}: {what} would be writable; name another folder")
    _make_folders(data, user)
    missing = _missing_feature(abi)
    problem = _find_problem(chosen, data) if chosen.confined or user else ""
    if problem and user:
        raise UsageError(f"--job-user {user}: cannot run a job as this user: {problem}")
    if problem:
        chosen, missing = Isolation(), f"a confined process does not work here ({problem})"
    if missing and required:
        raise UsageError(f"--require-confinement: {missing}")
    return chosen, _startup_messages(chosen, missing)


def _missing_feature(abi: int) -> str:
    if abi < OLDEST_ABI:
        found = f"version {abi}" if abi else "none"
        return f"this kernel has no usable Landlock (found: {found}; needed: version {OLDEST_ABI}, Linux 5.19)"
    if abi < COMPLETE_ABI:
        return (
            f"this kernel has Landlock {abi}: jobs can still signal the service's processes and perhaps truncate its "
            f"files (complete from version {COMPLETE_ABI}, Linux 6.12)"
        )
    return ""


def _startup_messages(chosen: Isolation, missing: str) -> list[str]:
    account = chosen.user or (pwd.getpwuid(os.getuid()).pw_name if chosen.home else str(os.getuid()))
    how = "confined by Landlock" if chosen.confined else "not confined: they read and write what this user can"
    engine = f"warning: user {chosen.user} cannot reach the engine's socket; add it to the group 'docker'"
    return [
        f"jobs run as {account}, {how}",
        *([f"warning: {missing}"] if missing else []),
        *([engine] if chosen.user and not _reaches_engine(chosen.user) else []),
    ]


def _check_user(name: str | None) -> None:
    if name is None:
        return
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        advice = f"create it (Debian: adduser --system --group {name}; adduser {name} docker)"
        raise UsageError(f"--job-user {name}: no such user; {advice}") from None
    if os.geteuid() not in (0, account.pw_uid):
        raise UsageError(f"--job-user {name}: only root can start jobs as another user; run the service as root")


def _reaches_engine(name: str) -> bool:
    """Whether a user may open the engine's local socket; one elsewhere is not looked at."""
    socket = Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
    if not socket.exists():
        return True
    found, account = socket.stat(), pwd.getpwnam(name)
    if account.pw_uid == found.st_uid:
        return bool(found.st_mode & stat.S_IWUSR)
    in_group = found.st_gid in os.getgrouplist(name, account.pw_gid)
    return bool(found.st_mode & (stat.S_IWGRP if in_group else stat.S_IWOTH))


def _make_folders(data: DataFolder, user: str | None) -> None:
    """Create the folders of jobs; another user's jobs can pass through the data folder but not list it."""
    account = pwd.getpwnam(user) if user else None
    for folder in (data.builds, data.temporaries, data.cache, data.cache / "packmill"):
        folder.mkdir(exist_ok=True, mode=0o711)
        if account and folder in (data.cache, data.cache / "packmill"):
            os.chown(folder, account.pw_uid, account.pw_gid)
    if account and account.pw_uid != os.getuid():
        os.chown(data.path, -1, account.pw_gid)
        data.path.chmod(0o710)


def _find_problem(isolation: Isolation, data: DataFolder) -> str:
    """Run a confined process that writes to its folder and opens a file of the service; return the problem, if any."""
    data.identity()
    folder, secret = data.temporary(0), str(data.path / "instance")
    remove_tree(folder)
    folder.mkdir()
    if isolation.user:
        account = pwd.getpwnam(isolation.user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    spec = {
        "command": [sys.executable, "-I", "-S", "-c", _PROBE, str(folder / "probe"), secret],
        "environment": {},
        "user": isolation.user,
        "files": isolation.files(data, 0, shared=(), read=()),
    }
    done = run((sys.executable, "-I", "-S", str(_PROGRAM), "1"), text=json.dumps(spec), cwd=folder)
    remove_tree(folder)
    if done.code == 3:
        return f"{secret} is readable"
    output = (done.stdout or done.stderr).strip().splitlines() or [f"exit code {done.code}"]
    return "" if done.code == 0 else output[-1]


def home_links(home: Path) -> dict[str, Path]:
    """Return the settings in a home folder that jobs use, by their path in the job's own home folder."""
    names = (
        ".gitconfig .git-credentials .netrc .config/git .ssh .config/pip .pip .config/uv .config/containers "
        ".docker/config.json .docker/contexts .docker/cli-plugins .docker/buildx/current .docker/buildx/instances"
    ).split()
    return {name: home / name for name in names if (home / name).exists()}


def local_destination(text: str, private: Iterable[Path]) -> tuple[Path, ...]:
    """Return the local repository that a package is deposited in, if ``text`` names one without ``private`` paths."""
    path = Path(unquote(text.removeprefix("file://")))
    if not path.is_absolute() or not ((path / ".git").exists() or (path / "HEAD").is_file()):
        return ()
    real = path.resolve()
    return () if _overlap(real, private) else (real,)


def _overlap(folder: Path, private: Iterable[Path]) -> Path | None:
    """Return the first of the paths that a job which writes to a folder would read, too."""
    return next((path for path in private if path.is_relative_to(folder) or folder.is_relative_to(path)), None)
