"""Collect what a job's script leaves in its work folder: artifacts, dotenv variables and JUnit reports.

The shepherd uses this module, so it needs only the standard library and what does the same.
All files are on the disk before ``result.json`` is: a job that has succeeded keeps its artifacts after a power loss.
"""

from __future__ import annotations

import glob
import os
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generator.service.jobs.junit_reports import LARGEST
from generator.service.jobs.trace_writer import YELLOW, Trace
from generator.shared import durable_files

_DOTENV_LIMIT = 1 << 20
_LONGEST_PATH = 3500
"""Bytes of a path, so that later jobs can unpack it into their work folder (``PATH_MAX``, 4,096 bytes)."""
_LONGEST_NAME, _LONGEST_ENDING = 255, 20
_LONGEST_REPORT = LARGEST + 1
"""Bytes that are kept of a JUnit report: what is longer is refused when it is read."""


class ArtifactCollector:
    """Copies files from a job's work folder to its folder in the service; ``limit`` in bytes of artifacts."""

    def __init__(self, work: Path, folder: Path, trace: Trace, *, limit: int) -> None:
        self._work, self._folder, self._trace, self._limit = work, folder, trace, limit

    def collect(self, keep: Mapping[str, Any], result: dict[str, Any]) -> None:
        """Add the size of the job's archive, its dotenv variables and its JUnit reports to the result.

        Raises:
            ValueError: the artifacts exceed the limit.
        """
        succeeded = result["reason"] is None
        if keep["when"] == "always" or (keep["when"] == "on_success") is succeeded:
            result["artifacts_size"] = self._pack(keep["paths"])
        result["dotenv"] = self._dotenv(keep["dotenv"]) if succeeded else {}
        reports = enumerate(self._matching_files(keep["junit"]))
        result["junit"] = [self._keep_junit_report(number, path) for number, path in reports]

    def _pack(self, patterns: list[str]) -> int | None:
        files = self._matching_files(patterns)
        if not patterns:
            return None
        if not files:
            self._trace.say(f"WARNING: {', '.join(patterns)}: no matching files", YELLOW)
            return None
        if sum(path.stat().st_size for path in files) > self._limit:
            raise ValueError(f"larger than the limit of {self._limit} bytes; discarded")
        target = self._folder / "artifacts.zip.new"
        shape: dict[str, Any] = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 3, "strict_timestamps": False}
        try:
            with zipfile.ZipFile(target, "w", **shape) as packed:
                names = _names_in_archive([path.relative_to(self._work) for path in files])
                for path, name in zip(files, names, strict=True):
                    packed.write(path, name)
            durable_files.replace(target, self._folder / "artifacts.zip")
        finally:
            target.unlink(missing_ok=True)
        size = (self._folder / "artifacts.zip").stat().st_size
        self._trace.say(f"Uploading artifacts: {len(files)} files, {size} bytes")
        return size

    def _matching_files(self, patterns: list[str]) -> list[Path]:
        """Return the regular files that match patterns, without symbolic links."""
        files: set[Path] = set()
        for pattern in patterns:
            for match in glob.glob(pattern, root_dir=self._work, recursive=True):  # noqa: PTH207 - root_dir
                path = self._work / match
                files.update(_files_below(path) if path.is_dir() and not path.is_symlink() else [path])
        top = self._work.resolve()
        return sorted(p for p in files if p.is_file() and not p.is_symlink() and p.resolve().is_relative_to(top))

    def _keep_junit_report(self, number: int, path: Path) -> str:
        name = f"junit-{number}.xml"
        with path.open("rb") as report:
            (self._folder / name).write_bytes(report.read(_LONGEST_REPORT))
        durable_files.sync(self._folder / name)
        return name

    def _dotenv(self, patterns: list[str]) -> dict[str, str]:
        variables = {}
        for path in self._matching_files(patterns):
            with path.open("rb") as file:
                text = file.read(_DOTENV_LIMIT).decode(errors="replace")
            for line in text.splitlines():
                name, equals, value = line.partition("=")
                if equals and name.strip().isidentifier() and "\0" not in value:
                    variables[name.strip()] = value.strip().strip('"')
        return variables


def _names_in_archive(paths: Sequence[Path]) -> list[str]:
    """Return paths as texts; a number is added where two would become one, such as with bytes that are not UTF-8."""
    shown = [_name_in_archive(path) for path in paths]
    odd = [name != os.fsdecode(path) for path, name in zip(paths, shown, strict=True)]
    if not any(odd):
        return shown
    names = _UniqueNames()
    for at in sorted(range(len(paths)), key=odd.__getitem__):  # what can keep its name does
        shown[at] = names.of(paths[at], shown[at])
    return shown


class _UniqueNames:
    """Names in an archive, of which no two files or folders have the same."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._taken, self._numbers = set[str](), Counter[str]()

    def of(self, path: Path, shown: str) -> str:
        """Return the name of a file, with numbers where another path is shown the same, up to a folder or whole."""
        name = ""
        for level, part in enumerate(shown.split("/"), 1):
            name = self._of_part("/".join(path.parts[:level]), f"{name}/{part}" if name else part)
        return name

    def _of_part(self, path: str, shown: str) -> str:
        key, name = (path, shown), shown
        if key in self._known:
            return self._known[key]
        while name in self._taken:
            self._numbers[shown] += 1
            name = _numbered(shown, self._numbers[shown] + 1)
        self._taken.add(name)
        self._known[key] = name
        return name


def _numbered(name: str, number: int) -> str:
    """Return a name with a number in front of its ending, and not longer than a name of a file can be."""
    folder, slash, last = name.rpartition("/")
    ending = Path(last).suffix
    stem, ending = (Path(last).stem, ending) if len(ending) <= _LONGEST_ENDING else (last, "")
    more = f"-{number}{ending}"
    return f"{folder}{slash}{stem.encode()[: _LONGEST_NAME - len(more.encode())].decode(errors='ignore')}{more}"


def _name_in_archive(path: Path) -> str:
    """Return a path as text; a sign for bytes that are not UTF-8 is longer than a byte, if no name becomes too long."""
    name = os.fsencode(path).decode("utf-8", "replace")
    fits = len(name.encode()) <= _LONGEST_PATH and all(len(part.encode()) <= _LONGEST_NAME for part in name.split("/"))
    return name if fits else name.replace("\N{REPLACEMENT CHARACTER}", "?")


def _files_below(folder: Path) -> list[Path]:
    return [Path(root, name) for root, _, names in os.walk(folder) for name in names]
