"""Where the values of a run go in a notebook that has no parameters cell of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """A change of a cell's source between two offsets, in characters.

    With ``parameter``, its value is written there as a literal, after ``text``, if the run gives one. Without,
    ``text`` is always written.
    """

    cell: int
    start: int
    end: int
    parameter: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """How the runner passes values; values without an edit are assigned in an injected cell.

    ``after`` is the number of the cell, from 1, that the injected cell follows; 0 is the top, and None leaves the
    choice to the tags, as in papermill.
    """

    after: int | None = None
    edits: tuple[Edit, ...] = ()
    variables: tuple[str, ...] = ()
    """Parameters that the notebook reads from environment variables of the same name."""
    closing: str = ""
    """The source of a cell that runs after the last one and writes outputs."""
