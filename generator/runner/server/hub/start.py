"""The start of the service's process, before its packages are imported."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from generator.shared.failures import BadInputsError


def start(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Raises:
        BadInputsError: as `generator.runner.server.hub.serve.serve`, or JupyterHub's package is missing.
    """
    try:
        from generator.runner.server.hub.serve import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("jupyterhub", "aiohttp"):
            raise
        raise BadInputsError("hub: JupyterHub's package is missing; pip install 'packmill[jupyterhub]'") from None
    return serve(options, say)
