"""Core dumps: a process that holds tokens and secret values must not leave its memory on a disk when it crashes."""

from __future__ import annotations

import resource


def disable_core_dumps() -> None:
    """Write no core dump of this process, nor of those that it starts."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
