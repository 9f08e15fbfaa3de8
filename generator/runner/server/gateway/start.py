"""The start of the gateway's process, before its packages are imported."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable

from generator.runner.server.container import is_container
from generator.runner.server.first_process import run_in_child
from generator.runner.server.variables import hidden_names, overwrite_values
from generator.shared.core_dumps import disable_core_dumps
from generator.shared.failures import BadInputsError

_PACKAGES = ("jupyter_client", "jupyter_core", "jupyter_server", "kernel_gateway", "tornado", "traitlets")
"""Packages of the Kernel Gateway."""


def start(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM, in a container as a child of its first process; return the exit code.

    Raises:
        BadInputsError: no folder for temporary files is writable, as in a container that is read-only.
        RunFailedError: as `generator.runner.server.gateway.serve.serve`.
    """

    def serve() -> int:
        if options.mode == "jupyter-websocket":
            return _import_websocket()(options, say, hidden=hidden)
        from generator.runner.server.gateway.serve import serve

        return serve(options, say, hidden=hidden)

    _check_temporary_folder()
    hidden = hidden_names(os.environ, storage=False, database=False)
    overwrite_values(hidden)
    disable_core_dumps()
    return run_in_child(serve) if is_container() else serve()


def _check_temporary_folder() -> None:
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        raise BadInputsError(
            "no folder for temporary files is writable; mount one, such as docker run --tmpfs /tmp"
        ) from None


def _import_websocket() -> Callable[..., int]:
    """Return the server of the mode jupyter-websocket.

    Raises:
        BadInputsError: the Kernel Gateway is not installed.
    """
    try:
        from generator.runner.server.gateway.websocket.serve import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        remedy = "packmill build --kernel-gateway" if is_container() else "pip install 'packmill[gateway]'"
        raise BadInputsError(
            f"--api jupyter-websocket: the Jupyter Kernel Gateway is missing; add it with {remedy}"
        ) from None
    return serve
