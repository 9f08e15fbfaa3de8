"""The folder of a gateway for uploads: a gateway removes its own at its end, and those of killed ones at its start."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.runner.server.own_folder import OwnFolder
from generator.shared.failures import BadInputsError

_PREFIX = "packmill-gateway-"


@contextmanager
def upload_folder() -> Iterator[Path]:
    """Create a folder among the temporary ones, and remove it on exit.

    Raises:
        BadInputsError: no folder for temporary files can be written to.
    """
    try:
        folder = OwnFolder(Path(tempfile.gettempdir()), f"{_PREFIX}{os.urandom(8).hex()}", pattern=f"{_PREFIX}*")
    except OSError as error:
        raise BadInputsError(f"no folder for temporary files: {error.strerror}; set TMPDIR to another one") from None
    try:
        yield folder.path
    finally:
        folder.remove()
