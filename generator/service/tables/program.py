"""Check a table against a package in a separate process, since both may be hostile.

`generator.service.tables.check` runs this file by path, in isolated mode (``python -I``). This docstring is the
protocol:

- **argument**: one JSON object with the fields of `CheckLimits`, which are applied before anything is read.
- **current folder**: ``package``, with ``package.json``, ``inputs.yml`` and an empty file for each other one of the
  package; and the table.
- **stdin**: one JSON object: ``table`` (a file name, or empty), ``product`` and ``values`` (lists of assignments),
  ``local`` (whether rows may have files of this machine).
- **stdout**: one JSON object, ``{"rows": 12}`` or ``{"mistakes": [...], "more": 3}``.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))  # of this version, also where another one is installed

_MOST = 200
"""Mistakes that are reported."""
_LONGEST = 500
"""Characters of one."""


def apply_limits(limits: Mapping[str, int]) -> None:
    """Limit this process; without privileges it cannot raise the limits again."""
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu"], limits["cpu"] + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))  # as generator.shared.core_dumps
    signal.alarm(limits["seconds"])


def check(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the number of rows, or the mistakes."""
    from generator.package.map.checking import check_table
    from generator.package.map.rows import TableMisfitError
    from generator.package.map.tables import OversizedTableError
    from generator.shared.errors import UsageError

    try:
        rows = check_table(Path("package").resolve(), **spec)
    except TableMisfitError as error:
        return _mistakes(error.mistakes)
    except OversizedTableError:
        raise MemoryError from None
    except UsageError as error:
        return _mistakes(str(error).splitlines())
    return {"rows": rows}


def _mistakes(lines: Sequence[str]) -> dict[str, Any]:
    return {"mistakes": [line[:_LONGEST] for line in lines[:_MOST]], "more": max(0, len(lines) - _MOST)}


def main() -> None:
    """Check the table of the current folder."""
    apply_limits(json.loads(sys.argv[1]))
    try:
        found = check(json.load(sys.stdin))
    except (MemoryError, RecursionError):
        found = _mistakes(["the table is too large to be checked here; use query.py map, or split it"])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
