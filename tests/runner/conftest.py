"""Fixtures of the runner's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bare_runs import BareRunner
from support import Finished


@pytest.fixture
def run(tmp_path: Path, packmill: Callable[..., Finished]) -> BareRunner:
    """Runs packages in plain cwltool, without an engine."""
    return BareRunner(folder=tmp_path, packmill=packmill)
