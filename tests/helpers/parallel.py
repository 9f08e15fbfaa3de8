"""Several workers: which tests one worker runs after another, and in which order.

xdist's own groups (``--dist=loadgroup``) change a test's id in a place that pytest 9.2 no longer reads.
"""

from __future__ import annotations

import json
import os
from collections import Counter
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
    """In a worker: put the longest groups first, and tell the scheduler which tests are in which."""
    if _WORKER is None:
        return
    groups = {item.nodeid: _group(item) for item in items}
    sizes = Counter(groups.values())
    ranks = _ranks(items, groups)
    items.sort(key=lambda item: (ranks[groups[item.nodeid]], -sizes[groups[item.nodeid]]))
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


def _ranks(items: list[pytest.Item], groups: dict[str, str]) -> dict[str, int]:
    """Rank groups by their slowest test: those of engine tests take minutes, and the last to start ends the run."""
    ranks: dict[str, int] = {}
    for item in items:
        group = groups[item.nodeid]
        ranks[group] = min(ranks.get(group, 3), _rank(item, group))
    return ranks


def _rank(item: pytest.Item, group: str) -> int:
    if item.get_closest_marker("engine"):
        return 0 if group != item.nodeid else 1
    return 2 if item.get_closest_marker("slow") else 3
