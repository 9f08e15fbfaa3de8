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
_ENGINE_GROUP, _ENGINE_TEST, _SLOW, _QUICK = range(4)
"""The ranks of groups."""


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
    early = _early_groups(ranks, sizes)
    items.sort(key=lambda item: _place(groups[item.nodeid], early, ranks, sizes))
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
        ranks[group] = min(ranks.get(group, _QUICK), _rank(item, group))
    return ranks


def _early_groups(ranks: dict[str, int], sizes: Counter[str]) -> set[str]:
    """Choose groups that half of the workers start with: tests of the engine wait until one has made the base."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slow = [group for group, rank in ranks.items() if rank == _SLOW]
    return set(sorted(slow, key=lambda group: (-sizes[group], group))[: workers // 2])


def _place(group: str, early: set[str], ranks: dict[str, int], sizes: Counter[str]) -> tuple[int, int, int]:
    """Return the place of a group in the order of tests."""
    return (0 if group in early else 1, ranks[group], -sizes[group])


def _rank(item: pytest.Item, group: str) -> int:
    if item.get_closest_marker("engine"):
        return _ENGINE_GROUP if group != item.nodeid else _ENGINE_TEST
    return _SLOW if item.get_closest_marker("slow") else _QUICK
