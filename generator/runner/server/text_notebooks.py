"""Which text files below the served folder are notebooks: their first lines are read once for each version."""

from __future__ import annotations

import os
from pathlib import Path

from generator.notebook.text_formats import ending_of
from generator.shared.passing_errors import may_pass
from generator.shared.regular_files import open_regular_file

_MOST = 20_000
"""Files whose answer is kept."""


class TextNotebooks:
    """Remembers which files are notebooks; for use from several threads."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], bool]] = {}

    def has(self, file: str) -> bool:
        """Return whether a regular file is a text notebook.

        Raises:
            OSError: the machine cannot read it now.
        """
        try:
            status = os.stat(file)  # noqa: PTH116 - twice as quick
        except (OSError, ValueError):
            return False
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._known.get(file)
        if known is None or known[0] != version:
            try:
                answer = _is_notebook(Path(file))
            except OSError as error:
                if may_pass(error):
                    raise
                return False
            if len(self._known) > _MOST:
                self._known.clear()
            known = self._known[file] = (version, answer)
        return known[1]


def _is_notebook(file: Path) -> bool:
    from generator.notebook.text_formats.recognition import HEAD, is_notebook_text

    with open_regular_file(file) as stream:
        text = stream.read(HEAD).decode("utf-8-sig", "replace")
    return is_notebook_text(text.replace("\r\n", "\n"), ending_of(file.name))
