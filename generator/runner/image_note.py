"""The note of an image's build, and the variables in it, restored after a ``start`` script or ENTRYPOINT changed them.

A login shell replaces PATH, and an activated environment comes first in it: the notebook would run in another Python
than the one that the image was built with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_note = Path("/opt/packmill/repository.json")

_INTERPRETERS = ("python", "python3", "pip", "pip3", "ipython", "jupyter", "R", "Rscript", "julia")
_SEARCHED = ("PATH", "JUPYTER_PATH", "JUPYTER_DATA_DIR", "XDG_DATA_HOME")
"""The variables that decide which kernel is found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageVariables:
    """The variables of an image's configuration, and its ``start`` script.

    A ``start`` script does not choose the interpreter, as in repo2docker, where Jupyter's kernels name theirs. An
    ENTRYPOINT of a Dockerfile may, for example by activating a conda environment.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    start: str = ""

    def restore(self, environment: MutableMapping[str, str]) -> None:
        """Give the image's folders their order in PATH; ``start`` chooses no virtual environment either."""
        image = self.values.get("PATH", "")
        if not image:
            return
        environment["PATH"] = restore_path(image, environment.get("PATH", ""), is_start=bool(self.start))
        if self.start:
            for name in ("VIRTUAL_ENV", "PYTHONHOME"):  # IPython adds the packages of VIRTUAL_ENV to every kernel's
                environment.pop(name, None)
                environment.update({name: self.values[name]} if name in self.values else {})

    def original(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment with all of the image's variables that decide which kernel is found."""
        kept = {name: value for name, value in environment.items() if name not in _SEARCHED or not self.values}
        return {**kept, **self.values}


def read_image_note() -> dict[str, Any]:
    """Return the note that the image's build left, empty outside of an image."""
    return json.loads(_note.read_text(encoding="utf-8")) if _note.is_file() else {}


def noted_variables(note: Mapping[str, Any]) -> ImageVariables:
    """Return the variables in a note of an image's build."""
    return ImageVariables(values=note.get("variables", {}), start=note.get("start", ""))


def restore_variables(environment: MutableMapping[str, str]) -> None:
    """Restore the variables of the image that this program runs in, if any."""
    noted_variables(read_image_note()).restore(environment)


def restore_path(image: str, current: str, *, is_start: bool) -> str:
    """Return a PATH with the image's folders in their order, and the folders that ``current`` adds.

    Added folders keep their place in front, except that ``start`` cannot add another interpreter there.
    """
    own = image.split(":")
    front: list[str] = []
    behind: list[str] = []
    in_front = True
    for folder in dict.fromkeys(current.split(":")):
        if folder in own:
            in_front = False
        elif folder:
            (front if in_front and not (is_start and _has_interpreter(folder)) else behind).append(folder)
    return ":".join([*front, *own, *behind])


def _has_interpreter(folder: str) -> bool:
    return any(os.access(os.path.join(folder, name), os.X_OK) for name in _INTERPRETERS)
