"""Expected failures, each with its exit code.

A message names the subject, the problem and what to do. The command line catches ``PackmillError`` in one place;
anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


class PackmillError(Exception):
    """An expected failure; GitLab and scripts distinguish failures by ``exit_code``."""

    exit_code = 1

    def to_dict(self) -> dict[str, Any]:
        """Return the failure as ``--json`` prints it."""
        return {"exit_code": self.exit_code, "message": str(self)}


class UsageError(PackmillError):
    """The request is invalid."""

    exit_code = 2


class RepositoryError(PackmillError):
    """The repository is unavailable, or the checkout was not found in it."""

    exit_code = 10


class ProcessError(PackmillError):
    """The process is missing, outside the repository, or of an unknown kind."""

    exit_code = 11


class NotebookError(PackmillError):
    """The file is not a valid notebook."""

    exit_code = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A mistake in a parameters cell: its line (from 1), the line's text, and the problem."""

    line: int
    text: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text.strip()}\n    {self.message}"


class ParametersError(PackmillError):
    """The parameters cell has mistakes; all of them are reported together."""

    exit_code = 13

    def __init__(self, *, where: str, mistakes: Iterable[Mistake]) -> None:
        self.where = where
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line))
        listed = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        super().__init__(f"{where}\n{listed}")

    def to_dict(self) -> dict[str, Any]:
        """Return the failure with every mistake, as ``--json`` prints it."""
        mistakes = [{"line": one.line, "text": one.text, "message": one.message} for one in self.mistakes]
        return {**PackmillError.to_dict(self), "where": self.where, "mistakes": mistakes}


class EnvironmentSpecError(PackmillError):
    """The requested environment is missing, or repo2docker cannot read it."""

    exit_code = 14


class ImageBuildError(PackmillError):
    """The image could not be built."""

    exit_code = 15


class RunnerCheckError(PackmillError):
    """The image is built, but the process cannot run in it."""

    exit_code = 16


class DocumentError(PackmillError):
    """A generated document fails its validation."""

    exit_code = 17


class PublishError(PackmillError):
    """The image or the package could not be published."""

    exit_code = 18


class EngineMissingError(PackmillError):
    """No container engine is available, and none could be set up."""

    exit_code = 19


class RunError(PackmillError):
    """The package ran and failed."""

    exit_code = 20


class NotRunError(PackmillError):
    """All checks of a pipeline passed, but it had no values to run the process with."""

    exit_code = 21
