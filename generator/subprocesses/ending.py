"""The end of a process that has to stop before its own end."""

from __future__ import annotations

import subprocess


def terminate(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process, and kill it if it takes longer than ten seconds."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
