"""What a worker process needs to know; it travels as JSON over the worker's channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from generator.runner.server.runs.model import Choice


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings:
    """The settings of one worker; times in seconds, memory in bytes."""

    name: str
    """Unique among all workers of a database, also of earlier servers."""
    root: Path
    data: Path
    database: str | None = None
    time_limit: float | None = None
    """The longest that a run may take."""
    cell_time_limit: float | None = None
    output_limit: int = 0
    """Bytes that a run may write; 0 for any."""
    file_limit: int = 0
    """Files and folders that a run may write; 0 for any."""
    output_root: Path = Path()
    """Where executed notebooks are stored that a request gives a relative path."""
    in_place: bool = False
    """Whether notebooks run in their own folders (`generator.runner.packaged.in_place`)."""
    kernels: Choice = "auto"
    """How the kernels of runs start that do not choose it (`generator.runner.server.kernels`)."""

    fetch: bool = False
    """Whether runs may fetch files from addresses that clients name (`generator.runner.server.workers.fetching`)."""
    fetch_allowed: tuple[str, ...] = ()
    """Hosts and networks besides public ones."""
    fetch_limit: int = 1024**3
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables for the worker itself, not for notebooks."""

    def as_message(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> WorkerSettings:
        """Read the settings from a JSON object."""
        paths = {name: Path(message[name]) for name in ("root", "data", "output_root")}
        return cls(**{**message, **paths, "fetch_allowed": tuple(message["fetch_allowed"])})
