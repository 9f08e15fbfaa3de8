"""Files of the server as responses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Response

from generator.runner.server.problems import ProblemError
from generator.shared.opened_files import OpenedFileResponse


def file_response(file: Path, **named: Any) -> Response:
    """Return a file, with the arguments of `OpenedFileResponse`.

    Raises:
        ProblemError: 404, the file does not exist, perhaps since a moment ago.
    """
    try:
        return OpenedFileResponse(file, **named)
    except (FileNotFoundError, NotADirectoryError):
        raise ProblemError(404, f"{file.name}: removed meanwhile") from None
