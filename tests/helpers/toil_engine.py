"""Toil, installed by scripts/test-toil in an environment of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_bin = Path(__file__).parents[2] / ".venv" / "toil" / "bin"


def use_toil(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Put Toil's commands on PATH, with its own files in a folder of the test; skip a test without Toil."""
    if not (_bin / "toil").exists():
        pytest.skip(f"{_bin}/toil: not installed; run scripts/test-toil")
    monkeypatch.setenv("PATH", f"{_bin}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TOIL_HISTORY", "0")
    monkeypatch.setenv("HOME", str(folder))
