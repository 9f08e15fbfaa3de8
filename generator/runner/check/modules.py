"""Modules that a notebook imports and its kernel cannot find, reported before the first run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from generator.notebook.distributions import distribution_of, removed_modules
from generator.notebook.imports import Import, Imports, modules_below
from generator.runner.kernels.messages import Message
from generator.runner.kernels.session import CellTooLongError, Session
from generator.shared.failures import ModuleMissingError

_LIMIT = 30.0
"""Seconds the kernel has to answer."""
_ASK = """
def __packmill_ask__(names):
    import importlib.util, json
    def is_missing(name):
        try:
            return importlib.util.find_spec(name) is None
        except Exception:
            return False
    print("packmill " + json.dumps([name for name in names if is_missing(name)]))
__packmill_ask__({names!r})
del __packmill_ask__
"""
_PROVIDED = {"packmill"}


def missing_modules(session: Session, imports: Imports, repository: Path) -> list[Import] | None:
    """Find imports whose module neither the kernel nor the repository has, without importing anything.

    Return None when the kernel does not answer.
    """
    names = sorted({one.module for one in imports.modules} - _PROVIDED)
    if not names:
        return []
    printed: list[str] = []

    def take(message: Message) -> None:
        if message.kind == "stream":
            printed.append(str(message.content.get("text", "")))

    try:
        session.execute(_ASK.format(names=names), sent=lambda _: None, take=take, tick=lambda: None, limit=_LIMIT)
    except CellTooLongError:
        return None
    answers = [line.partition(" ")[2] for line in "".join(printed).splitlines() if line.startswith("packmill ")]
    if not answers:
        return None
    missing = set(json.loads(answers[-1]))
    missing -= modules_below(repository) if missing else set()
    return [one for one in imports.modules if one.module in missing]


def report_missing_modules(missing: Iterable[Import] | None, imports: Imports, process: str) -> list[str]:
    """Return warnings about missing modules that a run may need, or that the kernel did not report any.

    Raises:
        ModuleMissingError: a missing module is imported unconditionally.
    """
    unknown = missing is None
    missing = list(missing or ())
    certain = [one for one in missing if one.certain and not imports.searches_elsewhere and not imports.installs]
    others = [one for one in missing if one not in certain]
    if certain:
        raise ModuleMissingError("\n".join(_explain_missing(certain, process)))
    absent = "which the image does not have"
    late = "installs packages when it runs, without a network: declare them in the environment"
    return [
        *([f"{process}: the kernel did not say which modules it finds, so its imports are not checked"] * unknown),
        *(f"{process} cell {one.cell} line {one.line} imports {one.module}, {absent}" for one in others),
        *(f"{process} cell {cell} {late}" for cell in imports.installs),
    ]


def _explain_missing(missing: list[Import], process: str) -> Iterator[str]:
    """Yield lines that locate each missing import and state how to fix it."""
    yield f"{process} imports what the image does not have:"
    yield from (f"  cell {one.cell} line {one.line}: {one.module}" for one in missing)
    names = dict.fromkeys(
        distribution_of(one.name or one.module) for one in missing if one.module not in removed_modules
    )
    if names:
        yield f"declare them, for example in requirements.txt: {' '.join(names)}"
    for one in missing:
        if one.module in removed_modules:
            version = removed_modules[one.module]
            yield f"{one.module} left Python with {version}: do without it, or name an earlier Python in runtime.txt"
