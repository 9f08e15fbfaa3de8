"""Bytecode of packmill and of the tests, which processes read instead of compiling the same modules again.

Machines that set ``PYTHONDONTWRITEBYTECODE`` have none otherwise: each server, runner and kernel
compiles what it imports.
"""

from __future__ import annotations

import compileall
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

import pytest

_TOP = Path(__file__).parents[2]
_IMPORTED = ("generator", "packmill", "tests/helpers")


def compile_packmill() -> None:
    """Compile modules that have changed, on all processors."""
    for name in _IMPORTED:
        compileall.compile_dir(_TOP / name, quiet=2, workers=0)


def writing_bytecode() -> dict[str, str]:
    """Return the variables of a process that keeps the bytecode of what it imports, in an environment without any."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}


@contextmanager
def bytecode_written() -> Iterator[None]:
    """Let this process write bytecode, also where Python is told not to: pytest keeps rewritten assertions in it."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def import_share(config: pytest.Config) -> None:
    """In a worker of a run of all tests: import some modules first, and others in each worker.

    Workers collect in the same order, so each would rewrite the assertions of the same module at the same time.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None or config.args != config.getini("testpaths"):
        return
    paths = sorted((_TOP / "tests").rglob("test_*.py"))
    for path in paths[int(worker.removeprefix("gw")) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
        if sys.path[0] != str(path.parent):
            sys.path.insert(0, str(path.parent))
        with suppress(Exception, pytest.skip.Exception):  # pytest reports it when it collects the module
            import_module(path.stem)
