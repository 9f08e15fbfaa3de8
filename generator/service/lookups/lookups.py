"""Ask repositories what they offer, a few at once, and remember the answers for a short time.

A lookup is ``packmill ci look-up`` in a process of its own, confined and with the settings and credentials of a build:
the repository may be anyone's.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.service.jobs import confinement
from generator.service.jobs.environment import JobContext, operator_variables
from generator.service.jobs.isolation import Isolation, home_links
from generator.service.lookups.answer import Answer, read_answer
from generator.service.store.job_folders import DataFolder
from generator.shared.removal import remove_tree
from generator.subprocesses.commands import feed

_PROGRAM, _CODE = Path(confinement.__file__), Path(__file__).resolve().parents[3]
_FOLDERS = "lookup-"
_OF_OTHERS = (
    "PACKMILL_REGISTRY_USER PACKMILL_REGISTRY_PASSWORD PACKMILL_PUBLISH_TOKEN PACKMILL_DEPLOY_TOKEN DOCKER_HOST "
    "PACKMILL_SIGN_KEY PACKMILL_SIGN_PASSWORD"
).split()
"""Settings that reading a repository does not need."""
_MOST_REMEMBERED, _MOST_WAITING = 100, 20
_TIMED_OUT = 124


@dataclass(frozen=True, kw_only=True, slots=True)
class LookupLimits:
    """Limits of one lookup in seconds and bytes; ``remembered`` is how long an answer is used again."""

    seconds: float = 25.0
    cpu: int = 20
    memory: int = 2 << 30
    file: int = 64 << 20
    remembered: float = 60.0
    remembered_failure: float = 10.0


class BusyError(Exception):
    """Too many lookups wait."""


@dataclass(slots=True)
class _Remembered:
    answer: Future[Answer]
    until: float = field(default=float("inf"))


class Lookups:
    """The lookups of a service; equal requests share one."""

    def __init__(
        self, job_context: JobContext, data: DataFolder, isolation: Isolation, limits: LookupLimits | None = None
    ) -> None:
        self._job_context, self._data, self._isolation = job_context, data, isolation
        self._limits = limits or LookupLimits()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="lookup")
        self._known: OrderedDict[tuple[tuple[str, str], ...], _Remembered] = OrderedDict()
        self._guard = threading.Lock()
        for left in data.temporaries.glob(f"{_FOLDERS}*"):
            remove_tree(left)

    def look_up(self, variables: Mapping[str, str]) -> Answer:
        """Return what the repository of the variables offers; wait for it.

        Raises:
            BusyError: too many lookups wait.
        """
        key = tuple(sorted((name, value) for name, value in variables.items() if value))
        with self._guard:
            known = self._known.get(key)
            if known is None or known.until < time.monotonic():
                if sum(not one.answer.done() for one in self._known.values()) >= _MOST_WAITING:
                    raise BusyError
                known = self._known[key] = _Remembered(self._threads.submit(self._ask, dict(key)))
            self._known.move_to_end(key)
            self._forget_oldest()
        try:
            answer = known.answer.result()
        except CancelledError:
            raise BusyError from None
        except Exception:
            known.until = 0.0  # an error of the machine for now, such as without a further thread
            raise
        if known.until == float("inf"):
            limits = self._limits
            known.until = time.monotonic() + (limits.remembered_failure if answer.problem else limits.remembered)
        return answer

    def stop(self) -> None:
        """Start no more lookups."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _forget_oldest(self) -> None:
        over = len(self._known) - _MOST_REMEMBERED
        for key in [key for key, one in self._known.items() if one.answer.done()][: max(0, over)]:
            del self._known[key]

    def _ask(self, variables: dict[str, str]) -> Answer:
        folder = self._data.temporaries / f"{_FOLDERS}{secrets.token_hex(8)}"
        try:
            self._prepare(folder)
            output = folder / "answer.json"
            code = feed(
                (sys.executable, "-I", "-S", str(_PROGRAM), "2"),
                content=json.dumps(self._spec(folder, variables)).encode(),
                output=output,
                cwd=folder,
                environment={},
                timeout=self._limits.seconds,
            )
            text = output.read_bytes()
        except OSError as error:
            return Answer(problem=f"the repository could not be looked up: {error.strerror}")
        finally:
            remove_tree(folder)
        if code == _TIMED_OUT:
            return Answer(problem=f"the repository did not answer within {self._limits.seconds:.0f} seconds")
        return read_answer(text)

    def _prepare(self, folder: Path) -> None:
        """Create the folder of a lookup, and in it a home folder with the account's settings of git, as links."""
        self._data.temporaries.mkdir(exist_ok=True, mode=0o711)
        home = folder / "home"
        home.mkdir(parents=True)
        for name, target in home_links(self._isolation.home).items() if self._isolation.home else ():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).symlink_to(target)
        folder.chmod(0o700)
        if self._isolation.user:
            account = pwd.getpwnam(self._isolation.user)
            for path in (folder, *folder.rglob("*")):
                with suppress(OSError):
                    os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)

    def _spec(self, folder: Path, variables: Mapping[str, str]) -> dict[str, Any]:
        own = {name: value for name, value in operator_variables(self._job_context).items() if name not in _OF_OTHERS}
        places = {"HOME": str(folder / "home"), "TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder)}
        user = self._isolation.user
        limits = self._limits
        return {
            "command": [sys.executable, "-m", "generator", "ci", "look-up"],
            "environment": {
                **own,
                **variables,
                **places,
                **({"USER": user, "LOGNAME": user} if user else {}),
                "PYTHONPATH": str(_CODE),
                "PYTHONSAFEPATH": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            "user": user,
            "files": self._isolation.rules(
                self._data, writable=(folder,), read=(_CODE, self._job_context.project.folder)
            ),
            "resources": {
                "RLIMIT_CPU": limits.cpu, "RLIMIT_AS": limits.memory, "RLIMIT_FSIZE": limits.file, "RLIMIT_CORE": 1,
            },
        }  # fmt: skip
