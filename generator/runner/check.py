"""``packmill-runner check``: proves that a process can run in this image, before anyone sends it an input."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.runner.failures import BadInputsError, KernelMissingError
from generator.runner.kernels import Kernel, choose_kernel, connection_of, find_kernels, kernel_spec_of
from generator.runner.run import load, process_path
from generator.runner.workspace import repository_place


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
    from generator.runner.execution import can_inject

    _, notebook, interface = load(process, place)
    language = notebook.language or "python"
    kernel, warning = choose_kernel(find_kernels(os.environ), name=request.kernel or notebook.kernel, language=language)
    if interface.inputs and not can_inject(kernel, language):
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
    from jupyter_client.manager import KernelManager

    with tempfile.TemporaryDirectory() as temporary:
        os.environ.update(JUPYTER_RUNTIME_DIR=temporary, IPYTHONDIR=temporary, HOME=temporary)
        log = Path(temporary, "kernel.log")
        manager = KernelManager(kernel_name=kernel.name, **connection_of(kernel))
        manager._kernel_spec = kernel_spec_of(kernel)  # noqa: SLF001 - the trait behind kernel_spec, which has no setter
        try:
            with log.open("wb") as file:
                manager.start_kernel(stdout=file, stderr=file)
            client = manager.client()
            client.start_channels()
            client.wait_for_ready(timeout=60)
            client.stop_channels()
        except (RuntimeError, OSError) as error:
            said = log.read_text(errors="replace").strip().splitlines()[-5:] if log.exists() else []
            raise KernelMissingError(
                "\n  ".join([f"the kernel {kernel.name!r} does not start: {error}", *said])
            ) from None
        finally:
            if manager.has_kernel:
                manager.shutdown_kernel(now=True)
