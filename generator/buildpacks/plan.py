"""What a plain Python environment is made of, as a build context: enough to build it, and nothing that is not its own.

What is in the context decides whether an environment is the same again. So an edited notebook, which is in none,
leaves it as it is.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import uv

from generator.environment import Environment
from generator.errors import EnvironmentSpecError
from generator.image import digest_of, settled
from generator.parameters import printable
from generator.pipfile_lock import locked_requirements
from generator.process import inside, read_text
from generator.project import Project, names_git, packaged_notebooks, project
from generator.requirements import Requirements, read_pylock, read_requirements
from generator.templates import data_folder, render

compilers = ("gcc", "g++", "libc6-dev", "make", "pkg-config", "python3-dev", "git", "ca-certificates")
"""Debian's packages for what has no wheel; in the stage that is thrown away."""
PYLOCK, REQUIREMENTS_LOCK = "pylock.toml", "requirements.lock"
"""The names of locks: PEP 751's, and pip's requirements with hashes."""
_GIT = ("git", "ca-certificates")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]*(=[A-Za-z0-9.+~:-]+)?")
_uid = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """What is installed as it stands, without its dependencies: requirements with hashes, or a ``pylock.toml``."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How an environment is made.

    ``asked`` are the files that are resolved, ``index_lines`` where packages come from then, ``lock`` what is installed
    as it stands instead, ``uv_lock`` whether ``uv.lock`` says the versions. ``project`` says whether the repository's
    own package is installed, ``local`` whether something refers to files of the repository where they lie, ``builds``
    whether something is built that is no wheel.
    ``files`` are all that goes into the stage that makes it, by their paths in the repository; ``repository`` is what
    ``postBuild`` sees.
    """

    base_image: str
    python: str = "python3"
    apt: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    lock: Lock | None = None
    uv_lock: bool = False
    prereleases: bool = False
    index_lines: tuple[str, ...] = ()
    project: bool = False
    local: bool = False
    builds: bool = False
    compilers: tuple[str, ...] = ()
    post_build: str = ""
    start: str = ""
    files: Mapping[str, Path | bytes] = field(default_factory=dict)
    repository: Mapping[str, Path | bytes] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def with_compilers(self) -> Plan:
        """The same for packages that have no wheel."""
        return replace(self, builds=True, compilers=compilers)


def make_plan(
    folder: Path, environment: Environment, *, base_image: str, python: str = "python3", lock: Lock | None = None
) -> Plan:
    """The plan for a checkout; ``lock`` is installed instead of what its files ask for.

    Raises:
        EnvironmentSpecError: a file of the environment cannot be understood.
    """
    names = {path.removeprefix(environment.folder + "/"): path for path in environment.files}
    package = _package(folder, names)
    asked, requirements, lock = _asked(folder, names, package, lock)
    is_project = package is Project.PACKAGE
    everything = dict(_files(folder)) if is_project or requirements.is_local or "postBuild" in names else {}
    in_context = _context(folder, everything) if is_project or requirements.is_local else {}
    needs_git = requirements.needs_git or any(
        names_git(read_text(folder, names[name]) or "") for name in ("pyproject.toml", "uv.lock") if name in names
    )
    own: dict[str, Path | bytes] = {name: folder / name for name in ("pyproject.toml", "uv.lock") if name in names}
    return Plan(
        base_image=base_image,
        python=python,
        apt=_apt(names["apt.txt"], read_text(folder, names["apt.txt"]) or "") if "apt.txt" in names else (),
        asked=asked,
        lock=lock,
        uv_lock="uv.lock" in names and lock is None,
        prereleases=requirements.prereleases,
        index_lines=requirements.index_lines,
        project=is_project,
        local=requirements.is_local,
        builds=is_project or requirements.is_local or needs_git,
        compilers=_GIT if needs_git else (),
        post_build=names.get("postBuild", ""),
        start=names.get("start", ""),
        files={**in_context, **own, **{path: text.encode() for path, text in requirements.files}},
        repository=everything if "postBuild" in names else {},
        remarks=requirements.remarks,
    )


def _package(folder: Path, names: Mapping[str, str]) -> Project:
    if "pyproject.toml" in names:
        return project(read_text(folder, "pyproject.toml") or "")
    return Project.PACKAGE if "setup.py" in names else Project.NONE


def _asked(
    folder: Path, names: Mapping[str, str], package: Project, lock: Lock | None
) -> tuple[tuple[str, ...], Requirements, Lock | None]:
    """What is resolved, the requirements among it, and what is installed as it stands."""

    def text(name: str) -> str:
        return read_text(folder, names[name]) or ""

    if lock is not None:
        found = read_pylock(lock.name, lock.text) if lock.name == PYLOCK else _lines(lock.text)
        return (), replace(found, files=()), lock
    if PYLOCK in names:
        return (), read_pylock(names[PYLOCK], text(PYLOCK)), Lock(name=PYLOCK, text=text(PYLOCK))
    if "Pipfile.lock" in names:
        found = locked_requirements(names["Pipfile.lock"], text("Pipfile.lock"))
        return (), replace(found, files=()), Lock(name=REQUIREMENTS_LOCK, text=found.files[0][1])
    asked: tuple[str, ...] = ()
    requirements = Requirements(files=())
    if "requirements.txt" in names:
        asked = (names["requirements.txt"],)
        requirements = read_requirements(asked[0], lambda path: read_text(folder, path))
    if "pyproject.toml" in names and package is not Project.NONE:
        asked += ("pyproject.toml",)
    elif package is Project.PACKAGE:
        asked += ("setup.py",)
    return asked, requirements, None


def _lines(text: str) -> Requirements:
    return read_requirements(REQUIREMENTS_LOCK, {REQUIREMENTS_LOCK: text}.get)


def _context(folder: Path, everything: Mapping[str, Path]) -> dict[str, Path]:
    """The files of a checkout without the notebooks that are no part of its package."""
    packaging = {name: read_text(folder, name) or "" for name in everything if "/" not in name}
    kept = set(packaged_notebooks(everything, packaging))
    return {path: file for path, file in everything.items() if not path.endswith(".ipynb") or path in kept}


def plan_key(plan: Plan, *, base_id: str) -> str:
    """What decides whether an environment is the same again: its base, its files' content, and how it is made."""
    digest = hashlib.sha256()
    for name, data in _entries(plan):
        if name != "tools/uv":  # another uv makes the same environment
            digest.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\0".encode())
    return digest_of(base_id, render_plan(plan, own_cache=""), digest.hexdigest())


def render_plan(plan: Plan, *, own_cache: str, uid: int = _uid) -> str:
    """The Dockerfile; ``own_cache`` names the cache for what is built, which no other repository may share."""
    return render(
        "image/environment/Dockerfile",
        base_image=plan.base_image,
        apt=plan.apt,
        compilers=plan.compilers,
        builds=plan.builds,
        local=plan.local,
        own_cache=own_cache,
        post_build=plan.post_build,
        start=f"${{REPO_DIR}}/{plan.start}" if plan.start else "",
        uid=uid,
    )


def context_of(plan: Plan, *, own_cache: str, uid: int = _uid) -> io.BytesIO:
    """The build context as a tar archive; the same plan gives the same bytes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        dockerfile = render_plan(plan, own_cache=own_cache, uid=uid).encode()
        entries = [("Dockerfile", dockerfile), *_entries(plan, uid=uid)]
        above = {str(parent) for path, _ in entries for parent in PurePosixPath(path).parents} - {"."}
        for name in sorted(above | {"inputs/files", "repository"}):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, settled
            archive.addfile(folder)
        for name, data in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), settled, 0o755 if _is_program(plan, name) else 0o644
            archive.addfile(entry, io.BytesIO(data))
    stream.seek(0)
    return stream


def _entries(plan: Plan, *, uid: int = _uid) -> Iterator[tuple[str, bytes]]:
    """Everything in the context but the Dockerfile, in an order of its own."""
    templates = data_folder("templates") / "image" / "environment"
    for name in ("install.py", "settle.py"):
        yield f"tools/{name}", (templates / name).read_bytes()
    yield "tools/uv", Path(os.fsdecode(uv.find_uv_bin())).read_bytes()
    asked = {
        "python": plan.python,
        "asked": list(plan.asked),
        "lock": plan.lock.name if plan.lock else "",
        "prereleases": plan.prereleases,
        "index_lines": list(plan.index_lines),
        "uv_lock": plan.uv_lock,
        "project": plan.project,
        "local": plan.local,
        "builds": plan.builds,
        "compilers": bool(plan.compilers and plan.compilers != _GIT),
        "seed": bool(plan.post_build),
        "repository": "/home/jovyan",
        "uid": uid,
    }
    yield "stubs.tar", _stubs()
    yield "inputs/plan.json", json.dumps(asked, indent=1).encode()
    if plan.lock:
        yield f"inputs/{plan.lock.name}", plan.lock.text.encode()
    for top, files in (("inputs/files", plan.files), ("repository", plan.repository)):
        for path, file in sorted(files.items()):
            yield f"{top}/{path}", file if isinstance(file, bytes) else file.read_bytes()


def _stubs() -> bytes:
    """Empty files where engines mount theirs; an archive, because a context does not keep the times of folders."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("etc", "etc/hosts", "etc/resolv.conf"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = (tarfile.DIRTYPE, 0o755) if name == "etc" else (tarfile.REGTYPE, 0o644)
            entry.mtime = settled
            archive.addfile(entry)
    return stream.getvalue()


def _is_program(plan: Plan, name: str) -> bool:
    top, _, path = name.partition("/")
    files = plan.repository if top == "repository" else plan.files
    file = files.get(path.removeprefix("files/"))
    return name == "tools/uv" or (isinstance(file, Path) and os.access(file, os.X_OK))


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of a checkout by their path; links that leave it are left out."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(files):
            path = Path(root, name).relative_to(folder).as_posix()
            real = inside(folder, path)
            if name != ".git" and real is not None and real.is_file():
                yield path, real


def _apt(file: str, text: str) -> tuple[str, ...]:
    names = [line.partition("#")[0].strip() for line in text.splitlines()]
    for number, name in enumerate(names, start=1):
        if name and not _PACKAGE.fullmatch(name):
            raise EnvironmentSpecError(f"{file} line {number}: {printable(name)!r} is not the name of a Debian package")
    return tuple(sorted({name for name in names if name}))
