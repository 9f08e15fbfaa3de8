"""The temporary folders of a run: its working copy, HOME and the caches of programs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.runner.packaged.home import plan_home, prepare_home
from generator.runner.packaged.in_place import prepare_own_home
from generator.runner.packaged.kept_copy import KeptCopy, KeptHome
from generator.shared.removal import remove_tree

_PREFIX = "packmill-"


@contextmanager
def scratch_folder(kept: KeptCopy | None) -> Iterator[Path]:
    """Yield a folder for the working copy, on the file system of the results, so that they can be moved cheaply.

    It is temporary, in the working directory, unless the process keeps its copy for the next run.
    """
    if kept is not None:
        yield kept.folder
        return
    scratch = Path(tempfile.mkdtemp(prefix=".packmill-", dir=Path.cwd()))
    try:
        yield scratch
    finally:
        remove_tree(scratch)


@contextmanager
def home_folder(image_home: Path | None, kept: KeptHome | None, *, in_place: bool) -> Iterator[Path]:
    """Set HOME and the caches of programs to a folder in TMPDIR, so that results stay clean; yield it.

    A run ``in_place`` keeps the user's. A ``kept`` folder that is as this one would be is used again.

    Raises:
        OSError: the folder cannot be made, such as on a full disk.
    """
    if kept is not None:
        with _kept_folder(image_home, kept) as homes:
            yield homes
        return
    homes = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        if in_place:
            prepare_own_home(homes, os.environ)
        else:
            prepare_home(homes, image_home, os.environ)
        yield homes
    finally:
        remove_tree(homes)


@contextmanager
def _kept_folder(image_home: Path | None, kept: KeptHome) -> Iterator[Path]:
    plan = plan_home(image_home, os.environ)
    homes = kept.take(plan)
    if homes is None:
        homes = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            plan.make(homes)
        except BaseException:
            remove_tree(homes)
            raise
        kept.watch(homes, plan, plan.copies)
    plan.set_variables(homes, os.environ)
    try:
        yield homes
    finally:
        if plan.settings:  # links that may lead elsewhere for the next run
            kept.remove()
        else:
            kept.keep()
