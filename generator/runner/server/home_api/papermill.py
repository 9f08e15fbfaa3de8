"""Whether papermill is installed, as the guide's ``/health`` has it."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from generator.runner.server.home_api.times import local_now, stamp


def papermill_state() -> dict[str, Any]:
    """Return the members of ``/health`` about papermill, and the time."""
    return {
        "papermill_available": find_spec("papermill") is not None,
        "papermill_path": _find_papermill(),
        "timestamp": stamp(local_now()),
    }


def _find_papermill() -> str | None:
    """Return papermill's command, which may be next to this Python."""
    return shutil.which("papermill") or shutil.which("papermill", path=str(Path(sys.executable).parent))
