"""Collect what a job's script leaves in its work folder: artifacts, dotenv variables and JUnit reports.

The shepherd uses this module, so it needs only the standard library and what does the same.
All files are on the disk before ``result.json`` is: a job that has succeeded keeps its artifacts after a power loss.
"""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator.service.jobs.junit_reports import LARGEST
from generator.service.jobs.trace_writer import YELLOW, Trace
from generator.shared import durable_files

_DOTENV_LIMIT = 1 << 20
_LONGEST_PATH = 3500
"""Bytes of a path, so that later jobs can unpack it into their work folder (``PATH_MAX``, 4,096 bytes)."""
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
                for path in files:
                    packed.write(path, _name_in_archive(path.relative_to(self._work)))
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


def _name_in_archive(path: Path) -> str:
    """Return a path as text; a sign for bytes that are not UTF-8 is longer than a byte, if no name becomes too long."""
    name = os.fsencode(path).decode("utf-8", "replace")
    fits = len(name.encode()) <= _LONGEST_PATH and all(len(part.encode()) <= 255 for part in name.split("/"))
    return name if fits else name.replace("\N{REPLACEMENT CHARACTER}", "?")


def _files_below(folder: Path) -> list[Path]:
    return [Path(root, name) for root, _, names in os.walk(folder) for name in names]
