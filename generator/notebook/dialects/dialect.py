"""The meaning of a notebook in a dialect."""

from __future__ import annotations

from dataclasses import dataclass

from generator.notebook.parameters import Reading
from generator.notebook.placement import Placement


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """What a notebook declares in the conventions of another tool, and where values go in it.

    ``name`` is a phrase for messages, such as "ipython2cwl's annotations". Without a placement, values go where they go
    in any notebook.
    """

    name: str
    reading: Reading
    placement: Placement | None
