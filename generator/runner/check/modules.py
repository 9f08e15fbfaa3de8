"""Report the imports of a notebook that fail, before the first run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from generator.notebook.imports import Import, Imports
from generator.notebook.preparations import Position
from generator.runner.check.advice import advise_on_failure, advise_on_missing
from generator.runner.check.import_errors import ImportFailure
from generator.runner.check.probe import ImportResults
from generator.shared.failures import ModuleMissingError

_LONGEST = 80
"""Characters of a statement in a message."""
_Failed = tuple[Import, ImportFailure]


def report_imports(
    results: ImportResults, imports: Imports, process: str, *, file: str = "", earlier: Iterable[str] = ()
) -> list[str]:
    """Return warnings about imports that fail in some runs, or that could not be checked.

    ``file`` is the environment's file that declares packages; ``earlier`` are warnings of the check so far.

    Raises:
        ModuleMissingError: an import fails in every run; the message ends with all warnings.
    """
    missing = [one for one in results.missing if _is_reached(one, imports.searches_elsewhere)]
    failed = [pair for pair in results.failures if pair[1].certain and _is_reached(pair[0], imports.prepares)]
    late = "installs packages when it runs, without a network: declare them in the environment"
    other = [one for one in results.missing if one not in missing]
    uncertain = [pair for pair in results.failures if pair not in failed]
    warnings = [
        *_unfinished(results, process),
        *(f"{_place(one, process)} imports {one.module}, which the image does not have" for one in other),
        *(_describe_failure(one, failure, process) for one, failure in uncertain),
        *(f"{process} cell {cell} {late}" for cell in imports.installs),
    ]
    if missing or failed:
        lines = _explain(missing, failed, process, file, results.local)
        raise ModuleMissingError("\n".join([*lines, *(f"warning: {one}" for one in (*earlier, *warnings))]))
    return warnings


def _is_reached(one: Import, change: Position | None) -> bool:
    """Return whether every run executes the import, and before the position at which its result may change."""
    return one.certain and (change is None or one.position < change)


def _explain(
    missing: list[Import], failed: list[_Failed], process: str, file: str, local: frozenset[str]
) -> Iterator[str]:
    """Yield lines that locate each failing import and state how to fix it."""
    if missing:
        yield f"{process} imports what the image does not have:"
        yield from (f"  cell {one.cell} line {one.line}: {one.module}" for one in missing)
        yield from advise_on_missing(missing, file)
    if failed:
        yield f"{process} has imports that fail in the image:"
    for one, failure in failed:
        yield f"  cell {one.cell} line {one.line}: {_statement(one)}"
        yield f"    {failure.summary}"
        yield f"    {advise_on_failure(one, failure, file, local=local)}"


def _describe_failure(one: Import, failure: ImportFailure, process: str) -> str:
    where = "in the image" if failure.certain else "in the check, which has no network, display or GPU"
    return f"{_place(one, process)}: '{_statement(one)}' fails {where}: {failure.summary}"


def _unfinished(results: ImportResults, process: str) -> Iterable[str]:
    if not results.answered:
        yield f"{process}: the kernel did not say which modules it finds, so its imports are not checked"
    elif results.unfinished:
        how = "ends the kernel" if results.kernel_ended else "takes longer than a minute"
        where = f"{_place(results.unfinished, process)}: '{_statement(results.unfinished)}'"
        yield f"{where} {how} in the check; later imports are not checked"


def _place(one: Import, process: str) -> str:
    return f"{process} cell {one.cell} line {one.line}"


def _statement(one: Import) -> str:
    text = one.statement or f"import {one.name or one.module}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
