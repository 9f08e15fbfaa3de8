"""Toil, installed by scripts/test-toil in an environment of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

toil_commands = Path(__file__).parents[2] / ".venv" / "toil" / "bin"
"""The folder of Toil's commands."""


def use_toil(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Put Toil's commands on PATH, with its own files in a folder of the test; skip a test without Toil."""
    if not (toil_commands / "toil").exists():
        pytest.skip(f"{toil_commands}/toil: not installed; run scripts/test-toil")
    monkeypatch.setenv("PATH", f"{toil_commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TOIL_HISTORY", "0")
    monkeypatch.setenv("HOME", str(folder))
