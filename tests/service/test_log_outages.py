"""A log that cannot be written, on a full disk or a pipe without a reader, ends nothing of the service."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest
from ci_service import Service
from support import here

from generator.service.log import log
from generator.service.store import tokens
from generator.service.store.database import Database, sqlite_url
from generator.service.store.first_tokens import create_first_tokens

_FULL = Path("/dev/full")
_SERVICE = here.parent / "generator" / "service"
_WRITER = re.compile(r"print$|traceback\.print_|sys\.std(err|out)\b")
_PROGRAMS = ("tables/program.py", "notebooks/program.py", "jobs/shepherd.py")
"""Processes of their own, whose output the service reads."""


def _full_disk() -> TextIO:
    return _FULL.open("w")


def _pipe_without_a_reader() -> TextIO:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def _closed_file() -> TextIO:
    file = _FULL.open("w")
    file.close()
    return file


@pytest.mark.parametrize("stream", [_full_disk, _pipe_without_a_reader, _closed_file])
def test_a_line_that_cannot_be_written_is_lost(stream: Callable[[], TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a long one, and the thousandth."""
    broken = stream()
    monkeypatch.setattr(sys, "stderr", broken)
    for _ in range(1000):
        log("x" * 100)
    log("x" * 100_000)
    if not broken.closed:
        with open(os.devnull, "wb") as void, broken:
            os.dup2(void.fileno(), broken.fileno())  # for what is in its buffer


def test_nothing_else_of_the_service_writes_to_its_log() -> None:
    """A `print` in a thread would end it as soon as the log cannot be written."""
    written: list[str] = []
    for path in _SERVICE.rglob("*.py"):
        name = path.relative_to(_SERVICE).as_posix()
        if name != "log.py" and name not in _PROGRAMS:
            called = [one.func for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)]
            written += [f"{name}: {call}" for call in map(ast.unparse, called) if _WRITER.match(call)]
    assert not written


def test_a_service_whose_log_is_full_starts_and_runs_jobs(another_service: Callable[..., Service]) -> None:
    service = another_service(log=_FULL)

    assert service.wait(service.trigger()) == "success"


def test_first_tokens_that_cannot_be_shown_are_not_created(tmp_path: Path) -> None:
    database, shown = Database(sqlite_url(tmp_path / "x.sqlite3")), list[str]()

    def fail(line: str) -> None:
        raise BrokenPipeError(line)

    with pytest.raises(BrokenPipeError):
        create_first_tokens(database, {}, tmp_path, fail)
    assert not tokens.list_tokens(database)

    create_first_tokens(database, {}, tmp_path, shown.append)
    assert tokens.find(database, shown[0].split()[-1])
    database.close()
