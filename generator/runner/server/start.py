"""The start of the server's process, before its packages are imported."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from generator.runner.server.container import is_container
from generator.runner.server.first_process import run_in_child
from generator.runner.server.variables import hidden_names, overwrite_values
from generator.shared.core_dumps import disable_core_dumps


def start(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM, in a container as a child of its first process; return the exit code.

    Raises:
        BadInputsError, OSError: as `generator.runner.server.serve.serve`.
    """

    def serve() -> int:
        from generator.runner.server.serve import serve

        return serve(options, say, hidden=hidden)

    hidden = hidden_names(
        os.environ,
        hide=options.hide_environment,
        give=options.environment,
        storage=bool(options.output_bucket or options.source_bucket),
        database=bool(options.database),
    )
    overwrite_values(hidden)
    disable_core_dumps()
    return run_in_child(serve) if is_container() else serve()
