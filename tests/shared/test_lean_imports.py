"""A module is imported without its package, also by several threads at once."""

from __future__ import annotations

import importlib.util
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from generator.shared.lean_imports import import_lean

_find_spec = importlib.util.find_spec


def _find_slowly(name: str) -> ModuleSpec | None:
    time.sleep(0.05)
    return _find_spec(name)


def test_threads_that_import_a_module_at_once_all_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "orchard").mkdir()
    (tmp_path / "orchard" / "__init__.py").write_text("raise AssertionError('the package is not needed')\n")
    (tmp_path / "orchard" / "trees.py").write_text("import time\n\ntime.sleep(0.1)\ncount = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", _find_slowly)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: import_lean("orchard", "trees").count, range(4)))

    assert found == [3, 3, 3, 3]
    assert "orchard" not in sys.modules
    del sys.modules["orchard.trees"]
