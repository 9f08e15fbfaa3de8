"""The build context of a plain Python environment, and the key of its content."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO, Any

import uv

from generator.image.contexts import file_time
from generator.image.environment.plan import REQUIREMENTS_LOCK, Caches, Content, Plan, default_uid, git_packages
from generator.image.keys import digest_of
from generator.repository.lfs_pointers import pointed_digest
from generator.resources import data_folder, render
from generator.shared.file_digest import file_sha256


def plan_key(plan: Plan, *, base_id: str, with_lfs: bool = False) -> str:
    """Return the key of an environment: of its base, the content of its files, and its build steps.

    ``with_lfs`` returns the key that it would have with the files whose Git LFS pointers are in their place.
    """
    digest = hashlib.sha256()
    for entry, content in _entries(plan):
        if entry.name != "tools/uv":  # another version of uv builds the same environment
            what = f"{entry.name}\0{entry.mode}\0{entry.linkname}\0{_digest(content, with_lfs=with_lfs)}\0"
            digest.update(os.fsencode(what))
    return digest_of(base_id, render_plan(plan, caches=Caches()), digest.hexdigest())


def render_plan(plan: Plan, *, caches: Caches, uid: int = default_uid) -> str:
    """Render the Dockerfile of a plan."""
    return render(
        "image/environment/Dockerfile",
        base_image=plan.base_image,
        apt=plan.apt,
        compilers=plan.compilers,
        apart=plan.needs_private_cache,
        local=plan.local,
        lock=plan.lock.name if plan.lock else REQUIREMENTS_LOCK,
        caches=caches,
        post_build=plan.post_build,
        start=f"${{REPO_DIR}}/{plan.start}" if plan.start else "",
        uid=uid,
        variables=plan.variables,
    )


def _digest(content: Content, *, with_lfs: bool) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return (pointed_digest(content) if with_lfs else "") or file_sha256(content)


def _open(content: Content) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def open_context(plan: Plan, *, caches: Caches, uid: int = default_uid) -> IO[bytes]:
    """Write the build context as a tar archive to a temporary file; the same plan gives the same bytes."""
    stream = TemporaryFile()  # noqa: SIM115 - the caller closes it; a repository may be larger than the memory
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        dockerfile = _entry("Dockerfile", render_plan(plan, caches=caches, uid=uid).encode())
        entries = [dockerfile, *_entries(plan, uid=uid)]
        parents = {str(parent) for entry, _ in entries for parent in PurePosixPath(entry.name).parents} - {"."}
        for name in sorted(parents | {"inputs/files", "repository"}):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, file_time
            archive.addfile(folder)
        for entry, content in entries:
            with _open(content) as file:
                archive.addfile(entry, file)
    stream.seek(0)
    return stream


def _entries(plan: Plan, *, uid: int = default_uid) -> Iterator[tuple[tarfile.TarInfo, Content]]:
    """Yield everything in the context except the Dockerfile, in a fixed order."""
    templates = data_folder("templates") / "image" / "environment"
    for name in ("install.py", "settle.py"):
        yield _entry(f"tools/{name}", (templates / name).read_bytes())
    yield _entry_of("tools/uv", Path(os.fsdecode(uv.find_uv_bin())))
    yield _entry("stubs.tar", _stubs())
    yield _entry("inputs/plan.json", json.dumps(_install_settings(plan, uid), indent=1).encode())
    if plan.lock:
        yield _entry(f"inputs/{plan.lock.name}", plan.lock.text.encode())
    for top, files in (("inputs/files", plan.files), ("repository", plan.repository)):
        for path, file in sorted(files.items()):
            yield _entry_of(f"{top}/{path}", file)


def _install_settings(plan: Plan, uid: int) -> dict[str, Any]:
    """Return the content of ``plan.json`` for ``install.py``."""
    return {
        "python": plan.python,
        "asked": list(plan.requirement_files),
        "lock": plan.lock.name if plan.lock else "",
        "prereleases": plan.prereleases,
        "index_lines": list(plan.index_lines),
        "uv_lock": plan.uv_lock,
        "project": plan.project,
        "local": plan.local,
        "builds": plan.builds,
        "apart": plan.needs_private_cache,
        "compilers": bool(plan.compilers and plan.compilers != git_packages),
        "seed": bool(plan.post_build),
        "repository": "/home/jovyan",
        "uid": uid,
        **({"variables": dict(plan.variables)} if plan.variables else {}),
    }


def _entry(name: str, data: bytes, *, mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), file_time, mode
    return entry, data


def _entry_of(name: str, file: Content) -> tuple[tarfile.TarInfo, Content]:
    if isinstance(file, bytes):
        return _entry(name, file)
    if file.is_symlink():
        entry, _ = _entry(name, b"")
        entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(file)
        return entry, b""
    entry, _ = _entry(name, b"", mode=0o755 if os.access(file, os.X_OK) else 0o644)
    entry.size = file.stat().st_size
    return entry, file


def _stubs() -> bytes:
    """Archive empty files where engines mount theirs, and the PATH of login shells, which replace that of the image.

    A build context would not keep the times of their folders.
    """
    stream = io.BytesIO()
    profile = (data_folder("templates") / "image" / "environment" / "profile.sh").read_bytes()
    login = (("etc/profile.d", None), ("etc/profile.d/packmill.sh", profile))
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in (("etc", None), ("etc/hosts", b""), ("etc/resolv.conf", b""), *login):
            entry, content = _entry(name, data or b"")
            if data is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()
