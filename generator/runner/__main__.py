"""``python -m generator.runner``, and the command ``packmill-runner``."""

import gc

gc.disable()  # what is imported lives as long as the process

from generator.runner.kernel_modules.packmill_later import put_off  # noqa: E402

put_off("inspect")  # type: ignore[no-untyped-call] # dataclasses import it and need it rarely

import os  # noqa: E402
import sys  # noqa: E402
from typing import NoReturn  # noqa: E402

from generator.runner.cli import main  # noqa: E402


def start() -> NoReturn:
    """Runs the command line and ends at once: everything is written, and taking an interpreter apart takes time."""
    gc.freeze()
    gc.enable()
    try:
        code = main()
    except SystemExit as leaving:
        if not isinstance(leaving.code, int | None):
            raise
        code = leaving.code or 0
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BrokenPipeError:
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    start()
