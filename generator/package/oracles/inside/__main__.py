"""Judge documents with one validator, in the environment that has it: ``python -I FOLDER NAME``.

Standard input is a JSON list of paths; standard output is a JSON list with ``faults``, ``warnings`` and ``seconds`` of
each. ``with_NAME.py`` in this folder has ``judge(path)``, which returns the first two; its ImportError names a command
that has to run first, and the output is ``{"install": COMMAND}`` then. Nothing here imports packmill.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module

_Judge = Callable[[str], "tuple[list[str], list[str]]"]


def _main() -> None:
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # validators print to standard output as well
    sys.addaudithook(_deny_network)
    judge: _Judge = import_module(f"with_{sys.argv[1]}").judge
    _keep_schemas()
    with answer:
        try:
            json.dump([_opinion(judge, path) for path in json.load(sys.stdin)], answer)
        except ImportError as error:
            json.dump({"install": str(error)}, answer)


def _opinion(judge: _Judge, path: str) -> dict[str, object]:
    began = time.monotonic()
    faults, warnings = _judged(judge, path)
    return {"faults": faults, "warnings": warnings, "seconds": time.monotonic() - began}


def _judged(judge: _Judge, path: str) -> tuple[list[str], list[str]]:
    """Return faults and warnings; a validator that fails on a document rejects it."""
    try:
        return judge(path)
    except ImportError:
        raise
    except Exception as error:  # noqa: BLE001 - any failure of a validator
        return [f"{type(error).__name__}: {error}"], []


def _keep_schemas() -> None:
    """Let cwltool keep CWL's schemas from one document to the next: it takes half a second to read them."""
    if cwltool := sys.modules.get("cwltool.main"):
        cwltool.__dict__["setup_schema"] = lambda *_: None


def _deny_network(event: str, _arguments: object) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        raise OSError("network access is denied while a package is validated")


_main()
