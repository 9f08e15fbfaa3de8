"""One run of a package: what it was given, what it left, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a run was given: ``job`` has resolved values, ``secrets`` are the names of its secret inputs."""

    document: Path
    job: Mapping[str, Any]
    secrets: frozenset[str]
    outdir: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run that has ended.

    ``outputs`` is CWL's output object, with files in ``given.outdir``; ``error`` is the message of a run that failed.
    """

    given: Given
    started: datetime
    ended: datetime
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    changed: frozenset[Path] = frozenset()
    """Files and folders that it was given and that changed after it began."""
