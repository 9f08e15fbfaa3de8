"""Find secrets in a text, in a time that grows with the text and hardly with their number.

The shepherd uses this module, so it needs only the standard library.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain

_HEAD = 4
"""Bytes at the beginning of a secret that are looked for first."""
_PIECE = 4096
"""Bytes of a longer secret that are looked for at a time."""


class SecretFinder:
    """Secrets in a sorted list: at any place, only the one before it in their order, or beginnings of that one, fit."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._sorted = sorted({piece for secret in secrets if secret for piece in _pieces(secret)})
        self._longest = max(map(len, self._sorted), default=0)
        self._head = min(_HEAD, min(map(len, self._sorted), default=0))
        self._heads = {secret[: self._head] for secret in self._sorted}
        self._shorter = list(_shorter(self._sorted))
        # finds few other places unless the secrets are many, and costs little per byte
        each = (b"[%b]" % re.escape(bytes({head[n] for head in self._heads})) for n in range(self._head))
        self._begin = re.compile(b"(?=%b)" % b"".join(each))

    def find(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield the first and the last byte, exclusive, of the longest secret at each place; they can overlap."""
        for at in self._places(text, 0):
            index = bisect_right(self._sorted, text[at : at + self._longest]) - 1
            while index >= 0 and not text.startswith(self._sorted[index], at):
                index = self._shorter[index]
            if index >= 0:
                yield at, at + len(self._sorted[index])

    def unfinished(self, text: bytes) -> int:
        """Return how many bytes at the end of a text may be the beginning of a secret."""
        first = max(0, len(text) - self._longest + 1)
        last = max(first, len(text) - self._head + 1)  # from here on, a head does not fit
        for at in chain(self._places(text, first), range(last, len(text))):
            index = bisect_left(self._sorted, text[at:])
            if index < len(self._sorted) and self._sorted[index].startswith(text[at:]):
                return len(text) - at
        return 0

    def _places(self, text: bytes, first: int) -> Iterator[int]:
        for found in self._begin.finditer(text, first) if self._sorted else ():
            at = found.start()
            if text[at : at + self._head] in self._heads:
                yield at


def _pieces(secret: bytes) -> Iterator[bytes]:
    """Yield parts of at most `_PIECE` bytes that cover a secret; only the whole of a shorter one."""
    for at in range(0, max(1, len(secret) - _PIECE + 1), _PIECE):
        yield secret[at : at + _PIECE]
    yield secret[-_PIECE:]


def _shorter(ordered: list[bytes]) -> Iterator[int]:
    """Yield, for each of sorted texts, the place of the longest other one that it begins with, or -1."""
    beginnings: list[int] = []
    for place, text in enumerate(ordered):
        while beginnings and not text.startswith(ordered[beginnings[-1]]):
            beginnings.pop()
        yield beginnings[-1] if beginnings else -1
        beginnings.append(place)
