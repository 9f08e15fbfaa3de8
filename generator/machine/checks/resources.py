"""Disk space and memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from generator.containers.engine import storage_folder
from generator.containers.machine_memory import largest_memory, ordinary_memory
from generator.machine.finding import Finding, State
from generator.shared.errors import DiskFullError, EngineMissingError, ImageBuildError
from generator.shared.size_text import size_text

_DISK_NEEDED, _DISK_COMFORTABLE = 2 * 1024**3, 10 * 1024**3
"""Bytes: an image of plain Python with its base, and several with conda."""
_MEMORY_OF_A_RUN = 2048
"""MiB that a process asks for by default."""


def check(folder: Path) -> Iterator[Finding]:
    """Check the disks of images and packages, and the memory of a container."""
    places = {"packages": (folder.resolve(), DiskFullError.exit_code)}
    try:
        storage = storage_folder()
    except EngineMissingError:
        storage = None
    if storage is not None and _is_visible(storage):
        places["images"] = (storage, ImageBuildError.exit_code)
    for name, (place, exit_code) in places.items():
        yield _disk(f"disk of {name}", place, exit_code)
    yield _memory()


def _disk(name: str, place: Path, exit_code: int) -> Finding:
    free = shutil.disk_usage(next(one for one in (place, *place.parents) if _is_visible(one))).free
    detail = f"{size_text(free)} free at {place}"
    if free >= _DISK_COMFORTABLE:
        return Finding(name=name, state=State.OK, detail=detail)
    state = State.WARNING if free >= _DISK_NEEDED else State.MISSING
    least = f"; images need {size_text(_DISK_NEEDED)}, with conda {size_text(_DISK_COMFORTABLE)}"
    return Finding(name=name, state=state, detail=detail + least, fix="packmill prune", exit_code=exit_code)


def _is_visible(path: Path) -> bool:
    """Return whether a path exists; pathlib raises for one in a folder that this user may not read."""
    return os.path.exists(path)  # noqa: PTH110 - has no errors


def _memory() -> Finding:
    ordinary, largest = ordinary_memory(), largest_memory()
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    detail = f"{size_text(available)}; a container of a run gets {ordinary} MiB, on request {largest} MiB"
    state = State.OK if ordinary >= _MEMORY_OF_A_RUN else State.WARNING
    return Finding(name="memory", state=state, detail=detail)
