"""Detection of lost messages: kernels built on jupyter_client number what they send, so a gap shows a loss."""

from __future__ import annotations

from bisect import bisect_right

_MOST_DIGITS = 19
"""Of a number: a kernel counts in 64 bits, and Python reads no number of thousands of digits."""


class MessageNumbers:
    """The numbers in the ids of one kernel's messages (``<session>_<process>_<number>``).

    ZeroMQ drops what a kernel publishes while 1000 messages are unread, and tells nobody. Kernels that do not number
    their messages have no gaps.
    """

    def __init__(self) -> None:
        self._series = ""
        self._highest = 0
        self._gaps: list[tuple[int, int]] = []

    def note(self, identity: str, *, published: bool) -> None:
        """Note a message that arrived; counting starts with the first ``published`` one, after which all arrive."""
        series, _, text = identity.rpartition("_")
        if not (series and text.isascii() and text.isdigit()) or (self._series or series) != series:
            return
        if len(text) > _MOST_DIGITS:
            return
        number = int(text)
        if not self._series:
            if published:
                self._series, self._highest = series, number
        elif number > self._highest:
            if number > self._highest + 1:
                self._gaps.append((self._highest + 1, number - 1))
            self._highest = number
        else:
            self._fill(number)

    def _fill(self, number: int) -> None:
        """Remove a number from its gap; messages of two channels or threads arrive in another order."""
        at = bisect_right(self._gaps, (number, self._highest)) - 1
        if at >= 0 and self._gaps[at][0] <= number <= self._gaps[at][1]:
            first, last = self._gaps[at]
            parts = ((first, number - 1), (number + 1, last))
            self._gaps[at : at + 1] = [(start, end) for start, end in parts if start <= end]

    def lost(self) -> int:
        """Count the messages that did not arrive.

        A single one does not count: ipykernel numbers a result that displays itself, such as a widget, without
        sending it.
        """
        return sum(last - first + 1 for first, last in self._gaps if last > first)
