"""Notice what code of a notebook would do if it ran: execute a text, start a program, connect, or write a file."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

_EVENTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn", "socket.connect")
_EVENTS += ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.link", "os.symlink", "shutil.rmtree")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_watchers: list[list[str]] = []


@contextmanager
def watched_effects() -> Iterator[list[str]]:
    """Collect the effects of this process while the block runs.

    An audit hook (PEP 578) sees them all, also those of code that looks harmless; it cannot be removed.
    """
    _install()
    effects: list[str] = []
    _watchers.append(effects)
    try:
        yield effects
    finally:
        _watchers.remove(effects)


@functools.cache
def _install() -> None:
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watchers:
        return
    if event in _EVENTS or (event == "exec" and _is_of_a_text(arguments[0])):
        _watchers[-1].append(f"{event}: {arguments[0]!r}"[:200])
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
        _watchers[-1].append(f"open for writing: {arguments[0]!r}")


def _is_of_a_text(code: object) -> bool:
    name = code.co_filename if isinstance(code, CodeType) else ""
    return name.startswith("<") and not name.startswith("<frozen")
