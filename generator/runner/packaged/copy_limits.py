"""The limits of what a run may write, for copies that are made after it: of what links lead to, of outputs in place."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.shared.failures import OutputLimitError
from generator.shared.write_limits import PathTooLongError, WriteLimits, counted_size, measure, no_limits


@dataclass(slots=True)
class CopyLimits:
    """Counts copies, on top of what the run wrote to its folders, which is measured before the first copy.

    ``given`` bytes in the folders are not what the run wrote.
    """

    limits: WriteLimits = no_limits
    folders: Sequence[Path] = ()
    given: int = 0
    _written: tuple[int, int] | None = field(default=None, init=False)

    def admit(self, status: os.stat_result, *, replaces_link: bool = False) -> None:
        """Count a file or folder that is about to be copied; a link that it replaces was counted with the folders.

        Raises:
            OutputLimitError: the copy would exceed a limit.
        """
        if not self.limits.are_set:
            return
        try:
            size, files = measure(self.folders) if self._written is None else self._written
        except PathTooLongError as error:
            raise OutputLimitError(str(error)) from None
        self._written = size + counted_size(status), files + (not replaces_link)
        if problem := self.limits.excess(size=self._written[0] - self.given, files=self._written[1]):
            raise OutputLimitError(problem)


def copy_whole(source: Path | str, target: Path | str, copy: Callable[[Any, Any], object]) -> None:
    """Copy a file, or leave nothing of it: a part of a file would count as a result.

    Raises:
        OSError: the copy failed.
    """
    try:
        copy(source, target)
    except BaseException:
        with suppress(OSError):
            Path(target).unlink()
        raise
