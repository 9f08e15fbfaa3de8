"""The server's layer in an image: it has every package that the server imports, and no other command needs it."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

from support import here

_runner = here.parent / "generator" / "runner"
_locks = here.parent / "templates" / "image" / "runner"
_ONLY_ON_HOSTS = {"procrastinate", "psycopg", "psycopg_pool", "jupyterhub", "kernel_gateway", "jupyter_server"}
"""Modules of optional dependencies for hosts; those of postgresql would double the size of the layer."""


def packages_in(lock: str) -> set[str]:
    lines = (_locks / lock).read_text(encoding="utf-8").splitlines()
    return {re.split(r"[=\[ ;]", line)[0] for line in lines if line}


def imported_by(files: Iterator[Path]) -> dict[str, Path]:
    """The modules of other projects that files import anywhere, and one of the files."""
    found = {}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found.update(dict.fromkeys((name.partition(".")[0] for name in names), path))
    return {name: path for name, path in found.items() if name not in {*sys.stdlib_module_names, "generator"}}


@functools.cache
def distributions() -> Mapping[str, list[str]]:
    """The installed distributions of each module; all of them are searched, which takes a third of a second."""
    return packages_distributions()


def distributions_of(module: str) -> set[str]:
    return {re.sub(r"[-_.]+", "-", name).lower() for name in distributions().get(module, [module])}


def test_the_layer_has_every_package_that_the_server_imports() -> None:
    there = packages_in("runner.txt") | packages_in("server.txt")
    own = _runner / "server" / "gateway" / "websocket"

    modules = imported_by(path for path in (_runner / "server").rglob("*.py") if own not in path.parents)

    missing = {name: str(path) for name, path in modules.items() if not distributions_of(name) & there}
    assert {name: path for name, path in missing.items() if name not in _ONLY_ON_HOSTS} == {}, "add it to server.in"


def test_the_kernel_gateway_s_layer_has_every_package_that_its_mode_imports() -> None:
    there = packages_in("runner.txt") | packages_in("server.txt") | packages_in("gateway.txt")

    modules = imported_by((_runner / "server" / "gateway" / "websocket").rglob("*.py"))

    missing = {name: str(path) for name, path in modules.items() if not distributions_of(name) & there}
    assert missing == {}, "add it to gateway.in"


def test_no_other_part_of_the_runner_needs_a_package_of_the_layer() -> None:
    only_there = packages_in("server.txt") - packages_in("runner.txt")
    assert {"fastapi", "uvicorn", "pydantic"} <= only_there

    modules = imported_by(path for path in _runner.rglob("*.py") if "server" not in path.relative_to(_runner).parts)

    assert {name: str(path) for name, path in modules.items() if distributions_of(name) & only_there} == {}
