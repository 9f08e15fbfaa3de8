"""The declared outputs of a run: which files they are, and what is wrong with those that are missing."""

from __future__ import annotations

import glob
import posixpath
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.notebook.interface import Output
from generator.notebook.parameters import CwlType
from generator.shared.failures import OutputMissingError
from generator.shared.file_names import portable_name, shown_name
from generator.shared.folder_levels import paths_below
from generator.shared.output_patterns import alternatives
from generator.shared.suggestions import list_some


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The files of one output, posix, relative to the folder of the results."""

    output: Output
    paths: tuple[str, ...] = ()
    problem: str = ""
    """Why a single output has no file, or nothing matches a pattern."""
    remarks: tuple[str, ...] = ()


def find_outputs(outputs: Iterable[Output], folder: Path, *, own: Collection[str] = ()) -> tuple[Found, ...]:
    """Find every declared output; patterns leave out the runner's ``own`` files."""
    return tuple(_find_files(one, folder, own) if one.array else _find_one(one, folder) for one in outputs)


def matches(pattern: str, folder: Path) -> tuple[str, ...]:
    """Return the paths below a folder that match the first possible reading of a pattern."""
    portable = "/".join(map(portable_name, pattern.split("/")))
    for reading in alternatives(portable):
        # Path.glob finds no files for '**' before Python 3.13, and always hidden ones
        found = glob.glob(reading, root_dir=folder, recursive=True)  # noqa: PTH207
        paths = {posixpath.normpath(path) for path in found if path} - {"."}
        if paths:
            return tuple(sorted(paths))
    return _same_letters(pattern, folder)


def _same_letters(name: str, folder: Path) -> tuple[str, ...]:
    """Find a file whose name has the same letters in another Unicode form: é may be one character or two."""
    if name.isascii():
        return ()
    wanted = unicodedata.normalize("NFC", name)
    paths = (path.relative_to(folder).as_posix() for path in paths_below(folder))
    return tuple(sorted(path for path in paths if unicodedata.normalize("NFC", path) == wanted))


def _find_one(one: Output, folder: Path) -> Found:
    paths = matches(one.glob, folder)
    is_folder = one.type is CwlType.DIRECTORY
    fitting = tuple(path for path in paths if (folder / path).is_dir() == is_folder)
    if fitting:
        return Found(output=one, paths=fitting[:1])
    if not paths:
        return Found(output=one, problem=f"nothing matches {one.glob!r}")
    if is_folder:
        return Found(output=one, problem=f"{paths[0]!r} is a file; declare it without '/' at the end, as a file")
    return Found(output=one, problem=f"{paths[0]!r} is a folder; declare it as '{paths[0]}/'")


def _find_files(one: Output, folder: Path, own: Collection[str]) -> Found:
    paths = [path for path in matches(one.glob, folder) if path not in own]
    files = tuple(path for path in paths if (folder / path).is_file())
    remarks = []
    folders = [path for path in paths if path not in files]
    if folders and "**" not in one.glob:
        remarks.append(f"folders are only in output_dir: {list_some(folders)}; for the files in them write '**'")
    names = Counter(map(posixpath.basename, files))
    twice = [path for path in files if names[posixpath.basename(path)] > 1]
    if twice:
        remarks.append(f"files of one name, which engines may rename outside of output_dir: {list_some(twice)}")
    problem = "" if files else f"nothing matches {one.glob!r}" if not paths else f"only folders match {one.glob!r}"
    return Found(output=one, paths=files, problem=problem, remarks=tuple(remarks))


def check_outputs(found: Iterable[Found], expected: Mapping[str, str], folder: Path) -> list[str]:
    """Check the outputs of a run that succeeded; return warnings.

    Args:
        found: the declared outputs.
        expected: the outputs that a run must have, with their patterns; some may not be declared.
        folder: the folder of the results.

    Raises:
        OutputMissingError: an expected output has no file; the error lists all of them.
    """
    known = {one.output.name: one for one in found}
    problems = {name: one.problem for name, one in known.items() if one.problem}
    problems |= {
        name: f"nothing matches {pattern!r}"
        for name, pattern in expected.items()
        if name not in known and not matches(pattern, folder)
    }
    missing = [f"{name}: {problem}" for name, problem in problems.items() if name in expected]
    if missing:
        lines = ["the process did not write its outputs", *missing, f"it wrote: {_list_files(folder)}"]
        raise OutputMissingError("\n  ".join(lines))
    warnings = [f"output {name}: {problem}" for name, problem in problems.items()]
    warnings += [f"output {name}: {remark}" for name, one in known.items() for remark in one.remarks]
    return [*warnings, f"the process wrote: {_list_files(folder)}"] if problems else warnings


def _list_files(folder: Path) -> str:
    written = sorted(shown_name(path.relative_to(folder).as_posix()) for path in paths_below(folder) if path.is_file())
    return list_some(written, limit=20)
