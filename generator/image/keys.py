"""Keys that tell images, environments and runners apart, so that nothing is built twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from generator import __version__
from generator.image.contents import ImagePythons
from generator.repository.source import Source
from generator.resources import data_folder

_package = Path(__file__).parents[1]


_travelling_folders = ("notebook", "runner", "shared", "staging")


def digest_of(*parts: str) -> str:
    """A key made of everything that it depends on."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def image_key(source: Source, *, environment: str) -> str:
    """What decides whether an image is the same again: address, commit, environment and packmill itself."""
    last = (
        (data_folder("templates") / "image" / name).read_text(encoding="utf-8") for name in ("Dockerfile", "place.py")
    )
    return digest_of(source.address, source.commit, environment, __version__, runner_digest(), *last)


def runner_key(facts: ImagePythons, *, made_in: str) -> str:
    """What decides whether the runner's image is the same again: packmill itself, and the Pythons that it is for.

    ``made_in`` says whose programs make it, because these could make it otherwise than asked: a base image's, whose
    runner is everybody's on that base, or a repository's own, whose runner is its own.
    """
    return digest_of(__version__, runner_digest(), made_in, *facts.texts())


def runner_files() -> dict[str, Path]:
    """The part of packmill that travels into the image, by its path there."""
    files = {"__init__.py": _package / "__init__.py"}
    for folder in _travelling_folders:
        for path in sorted((_package / folder).rglob("*")):
            if path.is_file() and path.suffix in (".py", ".sh") and "__pycache__" not in path.parts:
                files[str(path.relative_to(_package))] = path
    return files


def runner_digest() -> str:
    """Changes when anything changes that the runner's layers are made of."""
    digest = hashlib.sha256()
    for name, path in [*sorted(runner_files().items()), *((path.name, path) for path in runner_texts())]:
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def runner_texts() -> list[Path]:
    """How the runner's layers are made: scripts, locks, and the programs that start it."""
    return sorted(path for path in (data_folder("templates") / "image" / "runner").iterdir() if path.is_file())
