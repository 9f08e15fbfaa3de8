"""The start of the engine's program, which ends with packmill: ``main((PARENT, FOLDER, LABEL, *ARGUMENTS))``.

Results of a run whose packmill was killed could replace those of a later run. The program then moves none, and removes
what packmill would have removed (`Leftovers`). PARENT is packmill's process ID; the arguments are those of
`generator.package.engines.checked_cwltool.program`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from generator.package.engines.leftovers import Leftovers
from generator.subprocesses.parent import end_with_parent, has_lost_parent


def main(words: Sequence[str]) -> int:
    """Run cwltool; return its exit code."""
    parent, folder, label, *arguments = words
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))  # until cwltool has a handler of its own
    try:
        end_with_parent(int(parent))
        from generator.package.engines.checked_cwltool import program  # takes seconds to load

        return program.main(arguments)
    finally:
        if has_lost_parent(int(parent)):
            Leftovers(folder=Path(folder), label=label).remove()
