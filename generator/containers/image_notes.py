"""Cached answers to questions about images, by image ID, which identifies the content, so they never expire.

They are stored in the user's cache folder (XDG Base Directory Specification).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile, gettempdir, mkdtemp
from typing import Any

_KEPT = 400
"""Number of notes that are kept; the oldest are removed first."""


def recall(image_id: str, question: str) -> Any:
    """Return the cached answer, or None."""
    try:
        return json.loads(_path(image_id, question).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def note(image_id: str, question: str, answer: Any) -> None:
    """Store an answer, if the folder is writable; one that is nested too deeply to be written is not cached."""
    path = _path(image_id, question)
    with suppress(OSError, RecursionError):
        text = json.dumps(answer)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile("w", dir=path.parent, suffix=".new", delete=False, encoding="utf-8") as file:
            file.write(text)
        Path(file.name).replace(path)
        notes = sorted(path.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in notes[: max(0, len(notes) - _KEPT)]:
            old.unlink(missing_ok=True)


def notes_folder() -> Path:
    """Return packmill's folder in the user's cache folder, or in the temporary folder for users without a home."""
    with suppress(RuntimeError):
        return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "packmill"
    return _own_folder(Path(gettempdir(), f"packmill-{os.getuid()}"))


@lru_cache(maxsize=1)
def _own_folder(folder: Path) -> Path:
    """Return a folder if it is this user's alone, else a new one: in a shared place, another user may have made it."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077:
            return folder
        return Path(mkdtemp(prefix="packmill-"))
    return folder


def _path(image_id: str, question: str) -> Path:
    return notes_folder() / "images" / f"{hashlib.sha256(f'{image_id} {question}'.encode()).hexdigest()}.json"
