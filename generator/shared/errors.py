"""Expected failures, each with its exit code.

A message names the subject, the problem and what to do. The command line catches ``PackmillError`` in one place;
anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KNOWN_TYPES = "Known types: "
"""Starts the list of types at the end of a mistake's message, which its reason leaves out."""
_LONGEST = 500
"""Characters of a reason."""


class PackmillError(Exception):
    """An expected failure; GitLab and scripts distinguish failures by ``exit_code``, people by its ``words``."""

    exit_code = 1
    words = "error"

    @property
    def reason(self) -> str:
        """The message in one sentence, for a line of a page, a report or a log."""
        return one_sentence(str(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the failure as ``--json`` prints it."""
        return {"exit_code": self.exit_code, "reason": self.reason, "message": str(self)}


def one_sentence(message: str) -> str:
    """Return the first line of a message; after a line that ends with a colon, the next one belongs to it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    while len(lines) > 1 and lines[0].endswith(":"):
        lines[:2] = [f"{lines[0]} {lines[1]}"]
    sentence = lines[0] if lines else ""
    return sentence if len(sentence) <= _LONGEST else f"{sentence[: _LONGEST - 4]} ..."


class UsageError(PackmillError):
    """The request is invalid."""

    exit_code = 2
    words = "wrong usage"


class RepositoryError(PackmillError):
    """The repository is unavailable, or the checkout was not found in it."""

    exit_code = 10
    words = "repository or checkout"


class ProcessError(PackmillError):
    """The process is missing, outside the repository, or of an unknown kind."""

    exit_code = 11
    words = "process missing or of an unknown kind"


class NotebookError(PackmillError):
    """The file is not a valid notebook."""

    exit_code = 12
    words = "not a notebook"


_LONGEST_LINE = 200
"""Characters of a line of a cell that a message repeats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A mistake in a parameters cell: its line (from 1), the line's text, and the problem."""

    line: int
    text: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.shown.strip()}\n    {self.message}"

    @property
    def shown(self) -> str:
        """The beginning of the line, which may have thousands of mistakes; a short one is whole, as it is written."""
        text = self.text.strip()
        return self.text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}…"


class ParametersError(PackmillError):
    """The parameters cell has mistakes; all of them are reported together."""

    exit_code = 13
    words = "parameters cell"

    def __init__(self, *, where: str, mistakes: Iterable[Mistake]) -> None:
        self.where = where
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line))
        listed = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        super().__init__(f"{where}\n{listed}")

    @property
    def reason(self) -> str:
        """The first mistake, and how many others there are."""
        if not self.mistakes:
            return one_sentence(self.where)
        first, others = self.mistakes[0], len(self.mistakes) - 1
        problem = " ".join(first.message.partition(KNOWN_TYPES)[0].split())
        more = f" (and {others} more)" if others else ""
        return one_sentence(f"{self.where}, line {first.line}: {problem}") + more

    def to_dict(self) -> dict[str, Any]:
        """Return the failure with every mistake, as ``--json`` prints it."""
        mistakes = [{"line": one.line, "text": one.shown, "message": one.message} for one in self.mistakes]
        return {**PackmillError.to_dict(self), "where": self.where, "mistakes": mistakes}


class EnvironmentSpecError(PackmillError):
    """The requested environment is missing, or repo2docker cannot read it."""

    exit_code = 14
    words = "environment"


class ImageBuildError(PackmillError):
    """The image could not be built."""

    exit_code = 15
    words = "image build"


class RunnerCheckError(PackmillError):
    """The image is built, but the process cannot run in it."""

    exit_code = 16
    words = "runner check in the image"


class DocumentError(PackmillError):
    """A generated document fails its validation."""

    exit_code = 17
    words = "a document is not valid"


class PublishError(PackmillError):
    """The image or the package could not be published."""

    exit_code = 18
    words = "publish"


class EngineMissingError(PackmillError):
    """No container engine is available, and none could be set up."""

    exit_code = 19
    words = "no container engine"


class RunError(PackmillError):
    """The package ran and failed."""

    exit_code = 20
    words = "run of the package failed"


class NotRunError(PackmillError):
    """All checks of a pipeline passed, but it had no values to run the process with."""

    exit_code = 21
    words = "check had no values"


class SignatureError(PackmillError):
    """An image has no valid signature of the given key."""

    exit_code = 22
    words = "signature of an image"


class DiskFullError(PackmillError):
    """The disk is full, or the user's quota is used up."""

    exit_code = 23
    words = "disk is full"

    def __init__(self, error: OSError, advice: str = "run the command again", *, folder: Path | None = None) -> None:
        place = error.filename or folder
        super().__init__(f"{f'{place}: ' if place else ''}{error.strerror}; free some space, and {advice}")
        self.error = error


exit_codes: Mapping[int, str] = {
    0: "done",
    **{error.exit_code: error.words for error in PackmillError.__subclasses__()},
    130: "interrupted",
}
"""The words for the exit codes of packmill's commands."""


def describe_exit(code: int) -> str:
    """Return an exit code with its words, such as ``exit code 15: image build``."""
    words = exit_codes.get(code, "")
    return f"exit code {code}: {words}" if words else f"exit code {code}"
