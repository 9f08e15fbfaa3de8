"""Start a job's program with access to only the files that it needs.

It is run by path and uses only the standard library; this docstring is its protocol:

- **argument**: the number of a file descriptor for errors. It is closed when the program starts, so the other end reads
  either nothing or the reason why the program did not start. Standard error, 2, stays open.
- **stdin**: one JSON object: ``command`` (words), ``environment``, ``user`` (the account to run as, or null) and
  ``files`` (null for no limits, or ``writable``, ``readable`` and ``hidden`` paths). ``resources`` may have limits of
  ``resource.setrlimit`` by their names, such as ``{"RLIMIT_CPU": 10}``.

The environment comes by stdin because a variable such as ``LD_PRELOAD`` must not act before the limits do.

The limits are Landlock's (https://docs.kernel.org/userspace-api/landlock.html) and apply to every child too. Everything
but ``hidden`` can be read, and only ``writable`` can be changed; of devices only the harmless ones are accessible.
Other processes cannot be traced nor, from Landlock 6 on, signaled. Root keeps only the capabilities that change
the owner and the mode of files.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import resource
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

OLDEST_ABI = 2
"""The first version that can allow moving a file to another folder (Linux 5.19)."""
COMPLETE_ABI = 6
"""The first version that also prevents truncating other files and signaling other processes (Linux 6.12)."""
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_TREE = (1 << 13) - 1
"""All rights of Landlock's first version, including the four above."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_SCOPES = 0b11
"""Abstract sockets and signals."""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")
_SET_NO_NEW_PRIVS, _DROP_FROM_BOUNDING_SET = 38, 24
_KEPT_CAPABILITIES = (0, 1, 3, 4)
"""CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID."""
_STDERR = 2
_libc = ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """Return this kernel's version of Landlock, 0 if it is missing or disabled."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def visible(top: Path, hidden: list[Path]) -> Iterator[Path]:
    """Yield the smallest set of paths that covers everything below ``top`` except ``hidden``.

    Symbolic links are left out: a link to a hidden folder must not make it visible.
    """
    inside = [path for path in hidden if path.is_relative_to(top)]
    if not inside:
        yield top
    elif top not in inside:
        with suppress(OSError), os.scandir(top) as entries:
            for entry in entries:
                if not entry.is_symlink():
                    yield from visible(top / entry.name, inside)


class Ruleset:
    """A Landlock ruleset; it denies everything that no rule allows."""

    def __init__(self, abi: int) -> None:
        self._handled = _TREE | (_REFER if abi >= 2 else 0) | (_TRUNCATE if abi >= 3 else 0)
        shape = struct.pack("QQQ", self._handled, 0, _SCOPES if abi >= COMPLETE_ABI else 0)
        size = 24 if abi >= COMPLETE_ABI else 16 if abi >= 4 else 8
        self._descriptor = _check_result(
            _libc.syscall(_CREATE_RULESET, shape, ctypes.c_size_t(size), ctypes.c_uint32(0))
        )

    def allow(self, path: Path, rights: int) -> None:
        """Allow rights on a file, or on a folder and everything below it; ignore a path that does not exist."""
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            rule = struct.pack("=Qi", rights & self._handled, descriptor)
            _check_result(_libc.syscall(_ADD_RULE, self._descriptor, ctypes.c_int(1), rule, ctypes.c_uint32(0)))
        finally:
            os.close(descriptor)

    def enforce(self) -> None:
        """Enforce the rules on this process and its future children."""
        _check_result(_libc.syscall(_RESTRICT_SELF, self._descriptor, ctypes.c_uint32(0)))
        os.close(self._descriptor)


def ruleset(files: dict[str, list[str]]) -> Ruleset:
    """Return the rules for the paths that a job may write, read, and not see."""
    rules = Ruleset(landlock_abi())
    devices = Path("/dev")
    for path in visible(Path("/"), [*map(Path, files["hidden"]), devices]):
        rules.allow(path, _READ)
    for top in map(Path, files["readable"]):
        inside = [path for path in map(Path, files["hidden"]) if path != top]
        for path in visible(top, inside):  # the service's data can be in the folder of its project
            rules.allow(path, _READ)
    for name in _DEVICES:
        rules.allow(devices / name, _READ_FILE | _WRITE_FILE | _READ_DIR)
    for path in map(Path, files["writable"]):
        rules.allow(path, _TREE | _REFER | _TRUNCATE)
    return rules


def become(name: str) -> None:
    """Change to an account, with all its groups."""
    account = pwd.getpwnam(name)
    os.setgroups(os.getgrouplist(name, account.pw_gid))
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def drop_capabilities() -> None:
    """Drop root's capabilities except those that concern files."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for number in range(last + 1):
        if number not in _KEPT_CAPABILITIES:
            _check_result(_libc.prctl(_DROP_FROM_BOUNDING_SET, number, 0, 0, 0))


def confine(files: dict[str, list[str]] | None, user: str | None) -> None:
    """Limit this process irrevocably."""
    rules = ruleset(files) if files else None
    if rules or user:
        _check_result(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        if os.geteuid() == 0:
            drop_capabilities()
    if user:
        become(user)
    if rules:
        rules.enforce()


def _check_result(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


def main() -> None:
    """Limit this process and replace it with the job's program."""
    report = int(sys.argv[1])
    os.set_inheritable(report, report == _STDERR)
    try:
        spec: dict[str, Any] = json.load(sys.stdin)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        for name, limit in spec.get("resources", {}).items():
            resource.setrlimit(getattr(resource, name), (limit, limit))
        confine(spec["files"], spec["user"])
        os.execvpe(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606 - a tuple, no shell
    except (OSError, KeyError) as error:
        os.write(report, f"cannot confine the job: {error}".encode())
        sys.exit(126)


if __name__ == "__main__":
    main()
