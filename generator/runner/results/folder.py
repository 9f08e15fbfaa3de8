"""The folder of a run's results: checked before the run, and written to so that no file is left incomplete."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from generator.shared import contract
from generator.shared.failures import BadInputsError


def prepare_folder(folder: Path) -> None:
    """Create the folder of ``--results``, and check that results can be written to it.

    Raises:
        BadInputsError: the folder cannot be created or written to, or something else has the name of a result.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise BadInputsError(f"--results {folder}: is not a folder; choose another path") from None
    except OSError as error:
        raise BadInputsError(f"--results {folder}: cannot be created: {error.strerror}; choose another path") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInputsError(f"--results {folder}: cannot be written to; choose another folder")
    for name in (contract.result_file, contract.scraps_file, contract.scraps_folder):
        _check_name(folder, name, is_folder=name == contract.scraps_folder)


def refuse_earlier_results(folder: Path) -> None:
    """Check that a folder has no results of an earlier run, which would pass for those of the next one.

    They are not removed: a run records everything in its folder, also files that somebody put there.

    Raises:
        BadInputsError: the folder has the record of a run.
    """
    record = folder / contract.result_file
    if os.path.lexists(record):
        raise BadInputsError(
            f"--output {folder}: has results of an earlier run, which may have failed ({contract.result_file}); "
            "remove them, or choose another folder"
        )


def _check_name(folder: Path, name: str, *, is_folder: bool) -> None:
    path = folder / name
    if path.exists() and not (path.is_dir() if is_folder else path.is_file()):
        found = "is a folder" if path.is_dir() else "is not a folder" if is_folder else "is not a regular file"
        raise BadInputsError(f"--results {folder}: its {name} {found}; remove it, or choose another folder")


def write_result(path: Path, data: bytes) -> None:
    """Write a file, which gets its name when it is complete; a link of that name is replaced.

    Raises:
        OSError: the file cannot be written; the error names it.
    """
    temporary = path.with_name(f".{os.urandom(6).hex()}.saving")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None
