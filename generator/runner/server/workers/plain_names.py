"""Names of files as clients sent them, in place of the server's own paths, in what a run reports."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import Outcome


def with_plain_names(outcome: Outcome, folder: RunFolder, notebook_folder: Path) -> Outcome:
    """Replace the paths of a run's files in the parameters and the error of ``result.json``, and in its outcome.

    An upload gets the name that it had, a file of the served folder its path from ``notebook_folder``.
    """
    names = _Names(folder.uploads, notebook_folder)
    result = folder.read_result()
    given = {"parameters": result.get("parameters"), "error": result.get("error")}
    plain = {"parameters": names.plain(given["parameters"]), "error": names.plain(given["error"])}
    if plain != given:
        folder.update_result(**plain)
    return replace(outcome, message=names.plain(outcome.message)) if outcome.message else outcome


class _Names:
    def __init__(self, uploads: Path, notebook_folder: Path) -> None:
        self._uploads = f"{uploads}/"
        self._notebook_folder = str(notebook_folder)

    def plain(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._plain_text(value) if self._uploads in value else value
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            plain = {name: self.plain(item) for name, item in value.items()}
            return self._from_notebook(plain) if plain.get("class") in {"File", "Directory"} else plain
        return value

    def _plain_text(self, text: str) -> str:
        """Remove the folder of an input's files where a name follows, else leave the input's name."""
        pattern = rf"{re.escape(self._uploads)}([\w-]+)(/(?=[^'\"\s]))?"
        return re.sub(pattern, lambda found: "" if found[2] else found[1], text)

    def _from_notebook(self, file: dict[str, Any]) -> dict[str, Any]:
        path = file.get("path")
        if not isinstance(path, str) or not posixpath.isabs(path):
            return file
        return {**file, "path": os.path.relpath(path, self._notebook_folder)}
