"""Whose job starts next: tokens take turns, and so do the repositories of each.

Clients choose the repository. Tokens come first, because a client could name another repository in every request, and
who was never served waits for those who wait already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from generator.service.store.lanes import token_of


class Turns:
    """Remembers when tokens and lanes were served."""

    def __init__(self) -> None:
        self._served: dict[str, int] = {}
        self._turn = 0

    def choose(self, waiting: Mapping[str, int], running: Iterable[str]) -> str:
        """Return the lane whose turn it is, of those with a waiting job; with the lanes of ``running`` jobs."""
        self._note(waiting)
        lanes = list(running)
        busy = Counter((*lanes, *map(token_of, lanes)))
        orders = {name: (busy[name], self._served[name]) for name in self._served}
        chosen = min(waiting, key=lambda lane: (*orders[token_of(lane)], *orders[lane], waiting[lane]))
        self._turn += 1
        self._served |= dict.fromkeys((chosen, token_of(chosen)), self._turn)
        return chosen

    def _note(self, waiting: Mapping[str, int]) -> None:
        """Let new lanes wait behind all that wait; forget those without waiting jobs if there are very many."""
        names = {*waiting, *map(token_of, waiting)}
        if len(self._served) > 10_000:
            self._served = {name: turn for name, turn in self._served.items() if name in names}
        for name in names - self._served.keys():
            self._served[name] = self._turn
