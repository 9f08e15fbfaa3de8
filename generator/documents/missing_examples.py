"""Find defaults of stage-ins that a package cannot carry, so that a pipeline has no value to run the process with."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from generator.documents.examples import default_paths, find_examples, has_pointers, is_address
from generator.notebook.interface import Input
from generator.notebook.parameters import CwlType, Missing, Remark
from generator.process.process import Process
from generator.repository.checkout import inside
from generator.shared.safe_text import printable, redacted

_MOST_NAMED = 3
_NOT_RUN = "use a small example in the repository as the default, or a pipeline's check cannot run the process"
_INCOMPLETE = "a pipeline's check runs the process without it"


def missing_examples(folder: Path, process: Process) -> tuple[Remark, ...]:
    """Return a warning for each file of a stage-in's default that the package lacks; ``folder`` is the checkout's."""
    carried = frozenset(find_examples(folder, process).names)
    lacks_files = cache(has_pointers)  # thousands of stage-ins may have one default
    return tuple(
        Remark(line=one.line, message=f"{one.name}: {problem}")
        for one in process.interface.stage_ins
        if one.required and not isinstance(one.default, Missing) and one.default not in ([], ())
        for problem in _problems(one, folder, process.path, carried, lacks_files)
    )


def _problems(
    one: Input, folder: Path, process: str, carried: frozenset[str], lacks_files: Callable[[Path], bool]
) -> Iterator[str]:
    paths = default_paths(one.default)
    missing = [path for path in dict.fromkeys(paths) if path not in carried]
    if not paths:
        yield f"its default names no file; {_NOT_RUN}"
    effect = _NOT_RUN if len(missing) == len(set(paths)) else _INCOMPLETE
    for path in missing[:_MOST_NAMED]:
        yield f"{_problem(path, one.hint.type, folder, process, lacks_files)}; {effect}"
    if len(missing) > _MOST_NAMED:
        yield f"{len(missing) - _MOST_NAMED} more files of its default are not in the package"


def _problem(path: str, kind: CwlType, folder: Path, process: str, lacks_files: Callable[[Path], bool]) -> str:
    shown = f"its default {printable(redacted(path))!r}"
    if is_address(path):
        return f"{shown} is an address, which a pipeline does not fetch"
    place = posixpath.normpath(posixpath.join(posixpath.dirname(process), path))
    found = None if path.startswith(("/", "~", "file:")) else inside(folder, place)
    if found is None:
        return f"{shown} is outside of the repository"
    if not found.exists():
        return f"{shown} is not in the repository ({printable(place)})"
    if lacks_files(found):
        return f"{shown} has Git LFS files that could not be fetched"
    if kind is CwlType.DIRECTORY:
        return f"{shown} is empty, too large for the package, or has links or names that are not portable"
    return f"{shown} is a folder, not a file" if found.is_dir() else f"{shown} is too large for the package"
