"""Outputs whose path in the cell exists only on the author's machine: the notebook gets one in the output directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from generator.notebook.interface import Interface
from generator.notebook.parameters import CwlType
from generator.notebook.stage_outs import ends_in_slash


@contextmanager
def placeholder_paths(interface: Interface, output: Path) -> Iterator[dict[str, str]]:
    """Return the path of each such output by its parameter; its folder exists, and is removed if it stays empty.

    Authors write to a folder that they made once by hand, so their notebooks may expect it.
    """
    outputs = [one for one in interface.outputs if one.placeholder]
    folders = [output / one.glob for one in outputs if one.type is CwlType.DIRECTORY]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield {one.name: f"{output / one.glob}{'/' if ends_in_slash(one.placeholder) else ''}" for one in outputs}
    finally:
        for folder in folders:
            with suppress(OSError):  # the notebook wrote to it, or removed it
                folder.rmdir()
