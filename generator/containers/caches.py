"""Names of the caches that builds mount, which repositories cannot guess.

BuildKit and Buildah find a cache by its name alone, in any Dockerfile, and uv does not verify the content of its cache:
a repository that knew the name of a cache could change what others install. So names are derived from a secret of the
engine, and `generator.containers.builder` does not print them.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from functools import cache

from generator.containers.engine import engine_id
from generator.containers.image_notes import notes_folder


def cache_name(*users: str) -> str:
    """Return the name of the cache that builds of these users share, e.g. of a base image and a repository."""
    return hashlib.sha256("\0".join((_engine_secret(), *users)).encode()).hexdigest()[:32]


@cache
def _engine_secret() -> str:
    """Return a secret of this engine's users: Docker's engine ID or, as Podman has none, a stored random word."""
    return engine_id() or _read_or_create_secret()


def _read_or_create_secret() -> str:
    path = notes_folder() / "cache-secret"
    word = secrets.token_hex(16)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError), open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(word)
        return path.read_text(encoding="ascii") or word
    return word
