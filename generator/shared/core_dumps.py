"""Core dumps: a process that holds tokens and secret values must not leave its memory on a disk when it crashes."""

from __future__ import annotations

import resource


def disable_core_dumps() -> None:
    """Write no core dump of this process, nor of those that it starts.

    The limit is one byte: Linux ignores a limit of 0 where dumps go to a program, such as systemd-coredump, and takes 1
    as a request for none (core(5); fs/coredump.c).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
