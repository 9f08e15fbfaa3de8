"""The start of the gateway's process, before its packages are imported."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from generator.runner.server.container import is_container
from generator.runner.server.first_process import run_in_child
from generator.runner.server.variables import hidden_names, overwrite_values


def start(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM, in a container as a child of its first process; return the exit code.

    Raises:
        RunFailedError: as `generator.runner.server.gateway.serve.serve`.
    """

    def serve() -> int:
        from generator.runner.server.gateway.serve import serve

        return serve(options, say, hidden=hidden)

    hidden = hidden_names(os.environ, storage=False, database=False)
    overwrite_values(hidden)
    return run_in_child(serve) if is_container() else serve()
