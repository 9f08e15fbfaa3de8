"""Derive why a run failed, in one sentence, from the log of the CWL engine.

The log has the notebook's output too, so a reason is for people only; a full disk also has an exit code of its own, if
no container failed. The runner reports after that output, so the last report counts.
"""

from __future__ import annotations

import errno
import re

from generator.shared.errors import one_sentence

_RUNNER = re.compile(r"(?:\[[^\]]*\]|\s)*packmill-runner: (.*)")  # Toil writes its own words in front
_LINE = re.compile(r"\s*line (\d+): (.*)")
_ENGINE = re.compile(r"(?:ERROR|docker:) (.+)")
_DAEMON = re.compile(r"Error response from daemon: (.+)")
_PULL = re.compile(r"'pull', '([^']+)'")
_TIME_LIMIT = re.compile(r"\[job [^\[\]]*\] exceeded time limit of (\d+)")
_WRITTEN = re.compile(r"\s*(the run wrote more than .*, which is the limit.*)")
_SUCCEEDED = re.compile(r"\w* ?\[job [^\[\]]*\] completed success")
_STATUS = re.compile(r"\[job [^\[\]]*\] exited with status: (\d+)")
_INTERRUPTED = re.compile(r"interrupted by signal (\d+)")
_FULL = re.compile(r"\[Errno (?:28|122)\] ([^:'\"]+)(?:: (?:'[^']*' -> )?['\"]?([^'\"]*))?")
"""ENOSPC and EDQUOT, and the file."""
_NO_COMMAND = re.compile(r"docker executable is not available")
_NOT_STARTED = "125"
"""Exit code of ``docker run`` if the container was not started (docker run, "Exit status")."""
_DEBUG = re.compile(r",? try again with --debug for more information")
_LONGEST = 4000
_OUT_OF_MEMORY = (
    "the container was killed (status 137), probably because memory ran out; build the package with a larger --ram"
)


class FailureReason:
    """Reads the log of a run line by line, and derives from it why the run failed."""

    def __init__(self) -> None:
        self._runner = self._line = self._engine = self._daemon = self._image = ""
        self._time_limit = self._written = self._status = ""
        self._is_headline = False
        """Whether the engine's error goes on in the next line."""

    def read(self, line: str) -> None:
        """Note what a line of the log reports."""
        text = line[:_LONGEST].rstrip()
        if found := _RUNNER.match(text):
            self._runner, self._line = found[1], ""
        elif self._runner and not self._line and (found := _LINE.fullmatch(text)):
            self._line = f" (line {found[1]}: {found[2]})"
        if _SUCCEEDED.match(text):  # of a step: what its runner reported are warnings
            self._runner = self._line = ""
        if self._is_headline and text:
            self._engine = f"{self._engine} {text.strip()}"[:_LONGEST]
            self._is_headline = text.endswith(":")
        if found := _ENGINE.match(text):
            self._engine = _DEBUG.sub("", found[1])
            self._is_headline = self._engine.endswith(":")
        self._daemon = _first(_DAEMON, text) or self._daemon
        self._image = _first(_PULL, text) or self._image
        self._time_limit = _first(_TIME_LIMIT, text) or self._time_limit
        self._written = found[1] if (found := _WRITTEN.fullmatch(text)) else self._written
        self._status = _first(_STATUS, text) or self._status

    def full_disk(self) -> OSError | None:
        """Return the engine's error if it failed because a disk is full, and no container had failed before.

        What looks like an error of the engine may be a line that the notebook printed.
        """
        has_failed = self._runner or self._status or self._time_limit or self._written
        found = None if has_failed else _FULL.search(self._engine)
        return OSError(errno.ENOSPC, found[1], found[2] or None) if found else None

    def is_of_engine(self) -> bool:
        """Return whether an image could not be asked for or a container not be started, and no container had failed.

        Then the container engine may not answer: it has to be asked, since a notebook can print such lines.
        """
        if self._runner or self._time_limit or self._written or self._status not in ("", _NOT_STARTED):
            return False
        return bool(self._status or self._image or _NO_COMMAND.search(self._engine))

    def reason(self) -> str:
        """Return why the run failed; empty if the log does not report it."""
        if self._time_limit:
            return f"the run exceeded its time limit of {self._time_limit} s; build the package with a longer --time"
        if self._written:
            return one_sentence(self._written)
        if found := _INTERRUPTED.match(self._runner):
            return (
                f"its container was stopped (signal {found[1]}): by the container engine, which may have been shut "
                "down, or by somebody else; run it again"
            )
        if self._runner:
            return one_sentence(self._runner) + self._line
        if self._image:
            return one_sentence(f"image {self._image}: missing, and it cannot be pulled: {self._daemon}").rstrip(": ")
        return _OUT_OF_MEMORY if self._status == "137" else one_sentence(self._engine)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
