"""Check that the engine's containers see a folder of this machine: CWL engines bind folders by their paths.

They do not where packmill runs in a container that has the folder at another path, or where the engine is on another
machine.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile

from generator.shared.errors import EngineMissingError
from generator.shared.passing_errors import is_full_disk
from generator.subprocesses.commands import run

_INSIDE = "/mnt"


def check_shared_folder(folder: Path, *, image: str) -> None:
    """Look for a file of a folder in a container of an image that is in the engine.

    Raises:
        EngineMissingError: the folder cannot be written to, or containers do not see it.
    """
    try:
        with NamedTemporaryFile(dir=folder, prefix=".packmill-") as probe:
            mount = f"type=bind,source={folder},target={_INSIDE},readonly"
            name = f"{_INSIDE}/{Path(probe.name).name}"
            command = ("docker", "run", "--rm", "--network=none", "--user=0", f"--mount={mount}", "--entrypoint=test")
            done = run((*command, "--", image, "-e", name), timeout=120)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise EngineMissingError(f"{folder}: cannot be written to: {error.strerror}") from None
    if done.code != 0:
        detail = f"\n  {done.stderr.strip().splitlines()[0]}" if done.stderr.strip() else ""
        raise EngineMissingError(
            f"{folder}: the engine's containers do not see this folder, so packages cannot run; mount it at the same "
            f"path as on the engine's machine, such as: docker run --volume {folder}:{folder}{detail}"
        )
