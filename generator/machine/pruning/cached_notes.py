"""Find old answers to questions about images in the user's cache."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from generator.containers.image_notes import notes_folder
from generator.machine.pruning.removal import Kind, Removal


def old_notes(*, before: float) -> tuple[Removal, ...]:
    """Return all old answers as one removal; the secret that names the caches of builds stays."""
    found = []
    for path in (notes_folder() / "images").glob("*.json"):
        try:
            found.append((path, path.stat()))
        except OSError:  # another process removed it
            continue
    old = [(path, stat) for path, stat in found if stat.st_mtime < before]
    if not old:
        return ()
    return (
        Removal(
            kind=Kind.CACHE,
            name=f"{len(old)} records of images",
            size=sum(stat.st_size for _, stat in old),
            time=max(stat.st_mtime for _, stat in old),
            remove=partial(_remove, [path for path, _ in old]),
        ),
    )


def _remove(paths: list[Path]) -> bool:
    try:
        for path in paths:
            path.unlink(missing_ok=True)
    except OSError:  # a folder of another user, or one that cannot be written to
        return False
    return True
