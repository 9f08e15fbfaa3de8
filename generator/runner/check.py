"""``packmill-runner check``: proves that a process can run in this image, before anyone sends it an input."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.runner.failures import BadInputsError, KernelMissingError
from generator.runner.injection import find_translator
from generator.runner.kernels.process import KernelProcess, new_connection
from generator.runner.kernels.specs import Kernel, choose_kernel, find_kernels
from generator.runner.packaged import load, process_path
from generator.runner.workspace import repository_place

_START_LIMIT = 60.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What ``check`` was asked for."""

    process: str
    kernel: str | None = None
    repository: str | None = None


def check(request: Check) -> dict[str, Any]:
    """What the image will run the process with.

    Raises:
        RunFailedError: it cannot run here; the message says what is missing.
    """
    place = repository_place(request.repository)
    process = process_path(request.process, place)
    if process.endswith(".sh"):
        return {"process": process, "language": "shell", "kernel": None, "warnings": []}
    _, notebook, interface = load(process, place)
    language = notebook.language or "python"
    kernel, warning = choose_kernel(find_kernels(os.environ), name=request.kernel or notebook.kernel, language=language)
    if interface.inputs and find_translator(kernel.name, language) is None:
        raise BadInputsError(f"{process}: papermill cannot write parameters in the language {language!r}")
    _start(kernel)
    return {
        "process": process,
        "language": language,
        "kernel": kernel.name,
        "warnings": [warning] if warning else [],
    }


def _start(kernel: Kernel) -> None:
    """Starts the kernel once and waits until it answers."""
    from generator.runner.kernels.session import KernelGoneError, NotReadyError, Session

    with tempfile.TemporaryDirectory() as temporary:
        os.environ.update(JUPYTER_RUNTIME_DIR=temporary, IPYTHONDIR=temporary, HOME=temporary)
        log = Path(temporary, "kernel.log")
        session: Session | None = None
        try:
            with log.open("wb") as file:
                connection = new_connection(kernel, Path(temporary))
                process = KernelProcess(
                    kernel, connection=connection, runtime=Path(temporary), cwd=Path.cwd(), log=file.fileno()
                )
            session = Session(process)
            session.wait_until_ready(_START_LIMIT)
        except (KernelGoneError, NotReadyError, OSError) as error:
            said = log.read_text(errors="replace").strip().splitlines()[-5:] if log.exists() else []
            why = str(error) or ("it ends at once" if isinstance(error, KernelGoneError) else "it does not answer")
            message = "\n  ".join([f"the kernel {kernel.name!r} does not start: {why}", *said])
            raise KernelMissingError(message) from None
        finally:
            if session:
                session.end()
