"""Images that only this machine can have: checked before a CWL engine tries to pull them.

Asks the docker command, as the CWL engines do; the Docker SDK would take longer to import than the answer takes.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from generator.package.engine_presence import uses_docker
from generator.shared.errors import RunError
from generator.shared.safe_text import printable
from generator.subprocesses.commands import run

own_prefix = "localhost/packmill/"
"""Prefix of the images that packmill builds and that no registry has."""


def require_own_image(reference: str, *, options: tuple[str, ...], package: Path) -> None:
    """Refuse to start a run of a package whose image is one of packmill's own and is missing from the engine.

    Raises:
        RunError: the image is missing from the engine.
    """
    if not reference.startswith(own_prefix) or not uses_docker(options):
        return
    found = run(("docker", "image", "inspect", "--format={{.Id}}", "--", reference), timeout=60)
    if found.code != 0 and "no such image" in found.stderr.lower():
        name = printable(reference)
        raise RunError(
            f"{name}: image not found in the container engine, and it is in no registry; build the package again, and "
            f"run what that writes: packmill rebuild {shlex.quote(str(package))}\n"
            "  add --trust if it is your own package: its repository may be a folder of this machine or need your git "
            "login"
        )
