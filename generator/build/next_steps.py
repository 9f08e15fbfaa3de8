"""The commands that people run after a build."""

from __future__ import annotations

import shlex
from pathlib import Path

from generator.build.pipeline import Built
from generator.package.inputs import missing_values
from generator.shared.safe_text import printable

_MOST = 3


def next_steps(built: Built, *, has_image: bool) -> str:
    """Return what to do with the packages of a build, as commands; a value that a run needs is left to fill in."""
    commands = []
    for folder in built.packages[:_MOST] if has_image else ():
        values = "".join(f" -p {name}=VALUE" for name in missing_values(folder))
        commands.append((f"packmill run {_word(folder)} --outdir results{values}", "run it"))
    commands.append((f"packmill validate {_word(built.folder)}", "validate its documents"))
    width = max(len(command) for command, _ in commands)
    lines = [f"  {printable(command):<{width}}  # {purpose}" for command, purpose in commands]
    return "\n".join(["Next:", *lines])


def _word(path: Path) -> str:
    return shlex.quote(str(path))
