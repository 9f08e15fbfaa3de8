"""Parallel transfers: a bounded number of threads, lines of progress; the first failure cancels the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from generator.shared.failures import StagingError
from generator.staging.stores import TransferCancelledError
from generator.staging.transfer.transfer import Watch

Item = TypeVar("Item")
Result = TypeVar("Result")
_REPORT_INTERVAL = 5.0
"""Seconds between lines of progress."""
_FAILURE_WAIT = 1.0
"""Seconds for other files to end after a failure or an interrupt: for their own failures, or what they clean up."""


class Meter:
    """Counts files and bytes of a step, and reports progress."""

    def __init__(self, what: str, total: int, say: Callable[[str], None]) -> None:
        self._what, self._total, self._say = what, total, say
        self._lock = threading.Lock()
        self._began = self._reported = time.monotonic()
        self._bytes = self._files = self._cached = 0

    def add_bytes(self, count: int) -> None:
        """Add transferred bytes."""
        with self._lock:
            self._bytes += count
            self._report()

    def add_file(self, *, cached: bool = False) -> None:
        """Count a completed file."""
        with self._lock:
            self._files += 1
            self._cached += cached
            self._report()

    def report_retry(self, url: str, cause: str, pause: float) -> None:
        """Report another attempt for a file."""
        self._say(f"{self._what}: {url}: {cause}; again in {pause:.1f} s")

    def report_totals(self) -> None:
        """Report the totals."""
        cached = f", {self._cached} of them from the cache" if self._cached else ""
        self._say(f"{self._what}: {format_count(self._files, 'file')}{cached}, {self._format_rate()}")

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported >= _REPORT_INTERVAL:
            self._reported = now
            self._say(f"{self._what}: {self._files} of {self._total} files, {self._format_rate()}")

    def _format_rate(self) -> str:
        seconds = time.monotonic() - self._began
        rate = f" at {format_size(self._bytes / seconds)}/s" if self._bytes > 0 and seconds > 0 else ""
        return f"{format_size(self._bytes)} in {seconds:.1f} s{rate}"


def format_size(count: float) -> str:
    """Format a number of bytes with a decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def format_count(number: int, noun: str) -> str:
    """Format a count: ``1 file``, ``2 files``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def run_in_parallel(
    items: Sequence[Item],
    work: Callable[[Item, Watch], Result],
    *,
    parallel: int,
    meter: Meter,
    failure_wait: float = _FAILURE_WAIT,
) -> list[Result]:
    """Run ``work`` for all items in threads; return the results in the order of the items.

    Raises:
        StagingError: items failed; the message lists all failures until the rest was canceled.
        BadInputsError, DiskFullError: an item failed with another error.
    """
    stopped = threading.Event()
    watch = Watch(on_bytes=meter.add_bytes, on_retry=meter.report_retry, stopped=stopped)

    def one(item: Item) -> Result:
        watch.check()
        return work(item, watch)

    pool = ThreadPoolExecutor(max_workers=max(1, min(parallel, len(items))))
    try:
        futures = [pool.submit(one, item) for item in items]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stopped.set()
            wait(futures, timeout=failure_wait)
    finally:  # a thread that waits for a silent server ends with the process
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)
    return _collect_results(futures)


def _collect_results(futures: list[Future[Result]]) -> list[Result]:
    errors = [future.exception() for future in futures if future.done() and not future.cancelled()]
    failed = [error for error in errors if error is not None and not isinstance(error, TransferCancelledError)]
    for error in failed:
        if not isinstance(error, StagingError):
            raise error
    if failed:
        shown = [str(error) for error in failed[:10]]
        more = f"\n  and {len(failed) - 10} more" if len(failed) > 10 else ""
        raise StagingError("\n  ".join(shown) + more)
    return [future.result() for future in futures]
