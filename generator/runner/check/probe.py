"""Ask a notebook's kernel for the modules that the notebook imports, and let it import them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator.notebook.imports import Import, Imports
from generator.notebook.repository_modules import modules_below
from generator.runner.check.import_errors import ImportFailure, read_failure
from generator.runner.kernels.endings import CellTooLongError, KernelGoneError, OutputLostError
from generator.runner.kernels.messages import ExecuteRequest
from generator.runner.kernels.process import modules_folder
from generator.runner.kernels.session import Session

_LIMIT = 60.0
"""Seconds in which the kernel has to find and import everything."""
_LONGEST_REPORT = 10_000_000
"""Characters."""
_PROVIDED = {"packmill"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportResults:
    """The imports whose module is missing, and those that failed with the reason.

    ``unfinished`` is the import during which the kernel stopped answering, so that later ones are not checked, and
    ``kernel_ended`` is true if its process ended. ``answered`` is false if the kernel reported nothing. ``local`` are
    the names of the repository's own modules, collected if an import failed.
    """

    missing: tuple[Import, ...] = ()
    failures: tuple[tuple[Import, ImportFailure], ...] = ()
    unfinished: Import | None = None
    kernel_ended: bool = False
    answered: bool = True
    local: frozenset[str] = frozenset()


def probe_imports(
    session: Session, imports: Imports, repository: Path, report: Path, *, execute: bool
) -> ImportResults:
    """Ask the kernel for the modules that the notebook imports; with ``execute``, it imports them too.

    A module that the repository has is not missing: the notebook may change the search path. Only imports that every
    run reaches are executed. The kernel writes its answers to the file ``report``.
    """
    items = list(_list_items(imports, execute=execute))
    if not items:
        return ImportResults()
    kernel_ended = _ask(session, report, [(one.module, statement) for one, statement in items])
    answers = list(_read_answers(report))
    has_failed = any("missing" in answer or "errors" in answer for answer in answers)
    local = frozenset(modules_below(repository)) if has_failed else frozenset[str]()
    results = _sort_answers(answers, [one for one, _ in items], local)
    return replace(results, kernel_ended=kernel_ended)


def _list_items(imports: Imports, *, execute: bool) -> Iterator[tuple[Import, str]]:
    """Yield each module to look up, and each statement to execute, in the notebook's order."""
    modules = [one for one in imports.modules if one.module not in _PROVIDED]
    if not execute:
        yield from ((one, "") for one in modules)
        return
    tried = [one for one in imports.statements if one.module not in _PROVIDED]
    seen = {one.module for one in tried}
    items = [(one, one.statement) for one in tried] + [(one, "") for one in modules if one.module not in seen]
    yield from sorted(items, key=lambda item: item[0].position)


def _ask(session: Session, report: Path, items: list[tuple[str, str]]) -> bool:
    """Let the kernel write its report; return whether its process ended."""
    source = (modules_folder / "packmill_imports.py").read_text(encoding="utf-8")
    code = f"{source}\n\ncheck_imports({str(report)!r}, {items!r})\n"
    try:
        session.execute(ExecuteRequest(code=code, limit=_LIMIT))
    except KernelGoneError:
        return True
    except (CellTooLongError, OutputLostError):
        pass  # the report has everything until then
    return False


def _read_answers(report: Path) -> Iterator[dict[str, Any]]:
    try:
        with report.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_LONGEST_REPORT).splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):  # cut off, or written by an imported module
            return


def _sort_answers(answers: Iterable[dict[str, Any]], items: list[Import], local: frozenset[str]) -> ImportResults:
    missing: dict[str, Import] = {}
    failures: dict[str, tuple[Import, ImportFailure]] = {}
    current: Import | None = None
    answered = False
    for answer in answers:
        answered = True
        if "item" in answer:
            current = items[answer["item"]]
        elif "done" in answer:
            current = None
        elif current and "missing" in answer:
            missing.setdefault(current.module, current)
        elif current:
            failure = read_failure(answer["errors"])
            if failure.missing not in local and not failure.needs_a_run:
                failures.setdefault(failure.summary, (current, failure))
    return ImportResults(
        missing=tuple(one for module, one in missing.items() if module not in local),
        failures=tuple(failures.values()),
        unfinished=current,
        answered=answered,
        local=local,
    )
