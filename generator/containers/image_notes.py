"""What was found out of an image once, by its id: an id names the content, so it stays true as long as anyone asks.

Kept in the user's cache folder (XDG Base Directory Specification); without it everything is found out again.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, gettempdir
from typing import Any

_KEPT = 400
"""Notes that are kept; the oldest go first."""


def recall(image_id: str, question: str) -> Any:
    """What was noted, None when nothing was."""
    try:
        return json.loads(_path(image_id, question).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def note(image_id: str, question: str, answer: Any) -> None:
    """Notes an answer; a folder that cannot be written to is no reason to fail."""
    path = _path(image_id, question)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile("w", dir=path.parent, suffix=".new", delete=False, encoding="utf-8") as file:
            json.dump(answer, file)
        Path(file.name).replace(path)
        notes = sorted(path.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in notes[: max(0, len(notes) - _KEPT)]:
            old.unlink(missing_ok=True)


def notes_folder() -> Path:
    """Packmill's folder in the user's cache folder; below the temporary one for users who have no home."""
    with suppress(RuntimeError):
        return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "packmill"
    return Path(gettempdir(), f"packmill-{os.getuid()}")


def _path(image_id: str, question: str) -> Path:
    return notes_folder() / "images" / f"{hashlib.sha256(f'{image_id} {question}'.encode()).hexdigest()}.json"
