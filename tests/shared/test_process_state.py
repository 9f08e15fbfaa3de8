"""What the tests themselves leave in their process."""

from __future__ import annotations

import csv
import decimal
import locale
import os
import signal
import sys
from pathlib import Path

from process_state import same_state_afterwards


def _state() -> tuple[object, ...]:
    mask = os.umask(0o077)
    os.umask(mask)
    limits = (csv.field_size_limit(), sys.getrecursionlimit(), decimal.getcontext().prec)
    return os.getcwd(), mask, signal.getsignal(signal.SIGTERM), locale.setlocale(locale.LC_ALL), limits


def test_state_that_a_test_changes_is_as_before_for_the_next_one(tmp_path: Path) -> None:
    before = _state()

    with same_state_afterwards():
        os.chdir(tmp_path)
        os.umask(0o027)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        locale.setlocale(locale.LC_ALL, "C" if before[3] != "C" else "C.UTF-8")
        csv.field_size_limit(7)
        sys.setrecursionlimit(2345)
        decimal.getcontext().prec = 5
        changed = _state()

    assert all(one != other for one, other in zip(before, changed, strict=True))
    assert _state() == before
