"""``python -m generator.runner``, and the command ``packmill-runner``."""

import gc

gc.disable()  # imported modules live as long as the process

from generator.runner.kernel_modules.packmill_later import put_off  # noqa: E402

put_off("inspect")  # type: ignore[no-untyped-call] # dataclasses imports it but rarely uses it

import os  # noqa: E402
import sys  # noqa: E402
from typing import NoReturn  # noqa: E402

from generator.runner.cli import main  # noqa: E402
from generator.shared.failures import DiskFullError  # noqa: E402


def start() -> NoReturn:
    """Run the command line, then exit without tearing down the interpreter, which takes time."""
    _open_standard_streams()
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
    except OSError:  # such as a full disk
        code = code or DiskFullError.exit_code
    os._exit(code)


def _open_standard_streams() -> None:
    """Open closed standard streams on the null device, so that no file of a run gets their numbers."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


if __name__ == "__main__":
    start()
