"""The start of the server's process, before its packages are imported."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from generator.runner.server.container import is_container
from generator.runner.server.first_process import run_in_child
from generator.runner.server.options import variable_prefix
from generator.runner.server.variables import hide_values


def start(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM, in a container as a child of its first process; return the exit code.

    Raises:
        BadInputsError, OSError: as `generator.runner.server.serve.serve`.
    """

    def serve() -> int:
        from generator.runner.server.serve import serve

        return serve(options, say)

    hide_values(variable_prefix)
    return run_in_child(serve) if is_container() else serve()
