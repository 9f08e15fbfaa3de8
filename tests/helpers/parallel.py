"""Several workers: which tests one worker runs after another, and in which order.

xdist's own groups (``--dist=loadgroup``) change a test's id in a place that pytest 9.2 no longer reads.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from session import session_folder

try:
    from xdist.scheduler import LoadScopeScheduling
except ImportError:  # one process runs the tests as well
    LoadScopeScheduling = object

_WORKER = os.environ.get("PYTEST_XDIST_WORKER")


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """A group of tests, or a single test, at a time for each worker, in the order of `arrange`."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False
        self._groups: dict[str, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        if not self._groups:
            self._groups = json.loads((session_folder() / "groups.json").read_text())
        return self._groups[nodeid]


def arrange(items: list[pytest.Item]) -> None:
    """In a worker: put the longest tests first, and tell the scheduler which ones share a module's fixtures."""
    if _WORKER is None:
        return
    groups = {item.nodeid: _group(item) for item in items}
    items.sort(key=lambda item: _rank(item, groups[item.nodeid]))
    file = session_folder() / f"groups.{_WORKER}.json"
    file.write_text(json.dumps(groups))
    file.replace(session_folder() / "groups.json")


def _group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("group")
    if mark:
        return str(mark.args[0])
    fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
    shared = any(definitions[-1].scope in ("module", "package", "class") for definitions in fixtures)
    return item.location[0] if shared else item.nodeid


def _rank(item: pytest.Item, group: str) -> int:
    """Groups of engine tests take minutes: the last one to start decides when the run ends."""
    if item.get_closest_marker("engine"):
        return 0 if group != item.nodeid else 1
    return 2 if item.get_closest_marker("slow") else 3
