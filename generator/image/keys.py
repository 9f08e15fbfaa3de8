"""Keys of images: digests of everything that an image is made of, so that none is built twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from generator import __version__
from generator.image.pythons import ImagePythons
from generator.repository.source import Source
from generator.resources import data_folder

_package = Path(__file__).parents[1]
_travelling_folders = ("notebook", "runner", "shared", "staging")


def digest_of(*parts: str) -> str:
    """Return the digest of these texts, in this order."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def content_key(source: Source) -> str:
    """Return the key of a checkout's content: its commit, and which Git LFS files are missing in it.

    A server of LFS files that did not answer may answer the next time, so their pointers are another content.
    """
    return digest_of(source.commit, *source.pointers) if source.pointers else source.commit


def image_key(source: Source, *, environment: str, kernel_gateway: bool = False, formats: bool = False) -> str:
    """Return the key of an image: of its address, content, environment, further layers, and packmill itself."""
    last = (
        (data_folder("templates") / "image" / name).read_text(encoding="utf-8") for name in ("Dockerfile", "place.py")
    )
    parts = (source.address, content_key(source), environment, __version__, runner_digest(), *last)
    return digest_of(*parts, *_with_gateway(kernel_gateway), *_with_formats(formats=formats))


def _with_gateway(kernel_gateway: bool) -> tuple[str, ...]:  # noqa: FBT001 - a part of keys
    return ("kernel gateway",) if kernel_gateway else ()


def runner_key(pythons: ImagePythons, *, built_by: str, kernel_gateway: bool = False) -> str:
    """Return the key of a runner image: of packmill itself, the Pythons it is for, and the image that builds it.

    ``built_by`` identifies the image whose programs build the runner, because they could tamper with it: a base image,
    whose runner is shared by everything on that base, or an environment on another image, whose runner is not shared.
    """
    return digest_of(__version__, runner_digest(), built_by, *pythons.texts(), *_with_gateway(kernel_gateway))


def staging_key(runner: str, *, base_id: str, formats: bool) -> str:
    """Return the key of a staging image: of its Dockerfile, the layer of formats, its runner image and its base."""
    return digest_of(staging_template(), runner, base_id, *_with_formats(formats=formats))


def formats_key(runner: str) -> str:
    """Return the key of an image with the packages that read scientific formats, for a runner image."""
    return digest_of(runner, *_with_formats(formats=True))


def _with_formats(*, formats: bool) -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8") for path in formats_templates()) if formats else ()


def runner_files() -> dict[str, Path]:
    """Return packmill's files that are copied into the runner image, by their path there."""
    files = {"__init__.py": _package / "__init__.py"}
    for folder in _travelling_folders:
        for path in sorted((_package / folder).rglob("*")):
            name = path.relative_to(_package)
            if path.is_file() and "__pycache__" not in name.parts and not path.name.startswith("."):
                files[str(name)] = path
    return files


def runner_digest() -> str:
    """Return the digest of all files that the runner's layers are made of."""
    digest = hashlib.sha256()
    for name, path in [*sorted(runner_files().items()), *((path.name, path) for path in runner_templates())]:
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def runner_templates() -> list[Path]:
    """Return the files that build and start the runner: scripts, locks, and programs."""
    return sorted(path for path in (data_folder("templates") / "image" / "runner").iterdir() if path.is_file())


def staging_template() -> str:
    """Return the template of the staging image's Dockerfile."""
    return (data_folder("templates") / "image" / "staging" / "Dockerfile").read_text(encoding="utf-8")


def formats_templates() -> list[Path]:
    """Return the files that build the layer with the packages that read scientific formats."""
    return sorted(path for path in (data_folder("templates") / "image" / "formats").iterdir() if path.is_file())
