"""Find the YAML file next to a notebook in which Times Square describes its parameters."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from generator.shared.errors import NotebookError
from generator.shared.passing_errors import may_pass

Sidecar = Callable[[], str]
"""Reads the text of the file; '' without one. It raises a `NotebookError` if the machine cannot read it now."""
_LARGEST = 256 * 1024
"""Bytes of a file that is read."""


def no_sidecar() -> str:
    """Answer for a notebook whose folder is unknown."""
    return ""


def sidecar_of(top: Path, path: str) -> Sidecar:
    """Return the reader of the file next to the notebook at ``path`` below ``top``; no link out of ``top``."""

    def read() -> str:
        for ending in (".yaml", ".yml"):
            file = Path(os.path.realpath((top / path).with_suffix(ending)))
            try:
                is_ours = file.is_relative_to(os.path.realpath(top)) and file.is_file()
                if is_ours and file.stat().st_size <= _LARGEST:
                    return file.read_text(encoding="utf-8")
            except ValueError:  # not text, or no path
                continue
            except OSError as error:
                if may_pass(error):  # without the file, the notebook would have other parameters
                    raise NotebookError(f"{file.name}: {error.strerror}; try again later") from error
        return ""

    return read
