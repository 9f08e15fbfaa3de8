"""Copies of what links lead to: results hold no links, which would lead nowhere outside of the container."""

from __future__ import annotations

import errno
import shutil
import stat
from pathlib import Path

from generator.runner.packaged.copy_limits import CopyLimits, copy_whole
from generator.shared.passing_errors import is_full_disk

_KERNEL_FILES = (Path("/proc"), Path("/sys"), Path("/dev"))
_MOST_ENTRIES = 100_000
"""Files and folders that one link may turn into: links to folders can multiply."""


class _LinkError(Exception):
    """The reason that a link, or a part of its target, has no copy."""


def copy_link_target(link: Path, target: Path, limits: CopyLimits | None = None) -> list[str]:
    """Copy the file or folder that a link leads to; return a reason for everything that is left out.

    Raises:
        OSError: the disk is full.
        OutputLimitError: the copy would exceed the limits of the run.
    """
    folder = link.parent.resolve()
    return _Copy(target, limits or CopyLimits()).add(link, target, (*folder.parents, folder))


class _Copy:
    def __init__(self, top: Path, limits: CopyLimits) -> None:
        self._top, self._limits = top, limits
        self._entries = 0

    def add(self, source: Path, target: Path, above: tuple[Path, ...]) -> list[str]:
        """Copy a file, or a folder entry by entry; ``above`` are the folders that it is in."""
        try:
            real = self._resolve(source, above)
            self._limits.admit(real.stat(), replaces_link=target == self._top)
            if real.is_dir():
                target.mkdir(exist_ok=True)
                inside = (*above, real)
                return [reason for one in sorted(real.iterdir()) for reason in self.add(one, target / one.name, inside)]
            copy_whole(real, target, shutil.copy2)
        except _LinkError as error:
            return [self._reason(target, str(error))]
        except RuntimeError:
            return [self._reason(target, "its link cannot be followed")]
        except OSError as error:
            if is_full_disk(error):
                raise
            is_circle = error.errno == errno.ELOOP
            return [self._reason(target, "its link cannot be followed" if is_circle else error.strerror or str(error))]
        return []

    def _resolve(self, source: Path, above: tuple[Path, ...]) -> Path:
        real = source.resolve()
        if not real.exists():
            raise _LinkError("the link's target does not exist")
        if real in above:
            raise _LinkError("the link leads to a folder that contains it")
        mode = real.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or any(real.is_relative_to(one) for one in _KERNEL_FILES):
            raise _LinkError("not a regular file")
        self._entries += 1
        if self._entries > _MOST_ENTRIES:
            raise _LinkError(f"its links lead to more than {_MOST_ENTRIES} files and folders")
        return real

    def _reason(self, target: Path, reason: str) -> str:
        return reason if target == self._top else f"{target.relative_to(self._top).as_posix()} in it: {reason}"
