"""Build contexts on disk: of the runner image, the staging image, and the last layers of an image."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uv

from generator.containers.engine import host_ca_bundle
from generator.image.keys import formats_templates, runner_files, runner_templates
from generator.resources import data_folder

file_time = 315532800
"""The time of files that do not depend on a commit: 1980-01-01, the oldest that a zip file can hold."""
_OWNER = 1000
"""The uid of the user in images; root's files have 0."""


@contextmanager
def runner_context(dockerfile: str) -> Iterator[Path]:
    """Write the build context of the runner image to a temporary folder."""
    with TemporaryDirectory(prefix="packmill-runner-") as temporary:
        context = Path(temporary)
        for name, path in runner_files().items():
            target = context / "generator" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        for path in runner_templates():
            shutil.copy(path, context / path.name)
        _add_uv(context)
        (context / "Dockerfile").write_text(dockerfile)
        yield context


@contextmanager
def formats_context(dockerfile: str) -> Iterator[Path]:
    """Write the build context of the packages that read scientific formats to a temporary folder."""
    with TemporaryDirectory(prefix="packmill-formats-") as temporary:
        context = Path(temporary)
        for path in formats_templates():
            shutil.copy(path, context)
        (context / "Dockerfile").write_text(dockerfile)
        _add_uv(context)
        yield context


@contextmanager
def staging_context(dockerfile: str) -> Iterator[Path]:
    """Write the Dockerfile alone to a temporary folder: the staging image copies from other images."""
    with TemporaryDirectory(prefix="packmill-staging-") as temporary:
        Path(temporary, "Dockerfile").write_text(dockerfile)
        yield Path(temporary)


def _add_uv(context: Path) -> None:
    """Add uv, and the certificates that this machine trusts."""
    shutil.copy(uv.find_uv_bin(), context / "uv")
    bundle = host_ca_bundle()
    (context / "ca-certificates.crt").write_bytes(bundle.read_bytes() if bundle else b"")


@contextmanager
def image_context(
    dockerfile: str, *, repository: Path, place: Mapping[str, Any], inside: bool, time: datetime
) -> Iterator[Path]:
    """Write the build context of an image's last layers; ``place`` is the runner's description of the repository.

    ``inside`` means that the environment contains files of the repository already: then ``place.py`` adds the missing
    ones during the build. Otherwise they are one archive, whose times are the commit's, so that the same commit gives
    the same layer.
    """
    with TemporaryDirectory(prefix="packmill-image-") as temporary:
        context = Path(temporary)
        (context / "Dockerfile").write_text(dockerfile)
        note = json.dumps(place, indent=1)
        if inside:
            shutil.copy(data_folder("templates") / "image" / "place.py", context)
            (context / "repository.json").write_text(note)
            shutil.copytree(repository, context / "repository", symlinks=True, ignore=shutil.ignore_patterns(".git"))
        else:
            with tarfile.open(context / "repository.tar", "w", format=tarfile.PAX_FORMAT) as archive:
                folder, start = str(place["folder"]).strip("/"), str(place.get("start", ""))
                _add_repository(archive, repository, folder, start=start, time=int(time.timestamp()))
                _add_note(archive, note.encode(), int(time.timestamp()))
        yield context


def _add_repository(archive: tarfile.TarFile, repository: Path, folder: str, *, start: str, time: int) -> None:
    """Add the checkout at ``folder``, readable by all users, and its parent folders as environments have them.

    ``start`` becomes executable regardless of its mode in git, as repo2docker does.
    """
    parts = folder.split("/")
    for depth in range(1, len(parts)):
        _add_folder(archive, "/".join(parts[:depth]), owner=0, time=file_time)
    _add_folder(archive, folder, owner=_OWNER, time=time)
    for root, folders, files in os.walk(repository):
        folders[:] = sorted(name for name in folders if name != ".git")
        links = [name for name in folders if Path(root, name).is_symlink()]
        for name in sorted((*folders, *files)):
            path = Path(root, name)
            if name != ".git":
                place = path.relative_to(repository).as_posix()
                _add(archive, path, f"{folder}/{place}", time, executable=place == start)
        folders[:] = [name for name in folders if name not in links]


def _add(archive: tarfile.TarFile, path: Path, name: str, time: int, *, executable: bool) -> None:
    entry = archive.gettarinfo(path, arcname=name)
    if entry is None:  # e.g. a socket, which git cannot store
        return
    entry.uid = entry.gid = _OWNER
    entry.uname = entry.gname = ""
    entry.mtime = time
    entry.mode = 0o755 if executable or entry.isdir() or entry.mode & stat.S_IXUSR else 0o644
    if entry.islnk():  # two names of one file are two files in a checkout
        entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
    if entry.isreg():
        with path.open("rb") as content:
            archive.addfile(entry, content)
    else:
        archive.addfile(entry)


def _add_note(archive: tarfile.TarFile, content: bytes, time: int) -> None:
    for folder in ("opt", "opt/packmill"):
        _add_folder(archive, folder, owner=0, time=file_time)
    entry = tarfile.TarInfo("opt/packmill/repository.json")
    entry.size, entry.mtime, entry.mode = len(content), time, 0o644
    archive.addfile(entry, io.BytesIO(content))


def _add_folder(archive: tarfile.TarFile, name: str, *, owner: int, time: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, time, owner, owner
    archive.addfile(entry)
