"""What a worker has learned of a notebook from its runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from generator.runner.kernels.prepared import Kind
from generator.runner.server.kernels.reading import Code


@dataclass(slots=True)
class NotebookRecord:
    """What is known of a notebook."""

    code: Code
    modules: tuple[str, ...] | None = None
    """The modules that its first run loaded; None before."""
    local: tuple[str, ...] = ()
    seconds: float = 0.0
    """How long its first run took."""
    unsuited: str = ""
    """Why children with its modules cannot be used."""
    has_comms: bool = False
    """Whether its first run sent messages of widgets."""
    proven: set[Kind] = field(default_factory=set)
    """The kinds of children with its modules in which it ran to its end."""
