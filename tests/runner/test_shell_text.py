"""Text that a notebook and its programs print in a shell without the kernel protocol."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from generator.runner.kernels.forked import Channel, ForkedProcess
from generator.runner.kernels.messages import ExecuteRequest, Message
from generator.runner.kernels.shell import ShellSession, _Written


@pytest.fixture
def written() -> Iterator[_Written]:
    one = _Written("stderr")
    yield one
    one.close()


def _run(script: str, written: _Written) -> None:
    subprocess.run(("sh", "-c", script), stderr=written.descriptor, check=True)


def test_text_is_read_once(written: _Written) -> None:
    _run("echo first >&2", written)
    assert written.read(written.size()) == "first\n"
    _run("echo second >&2", written)
    assert written.read(written.size()) == "second\n"
    assert written.read(written.size()) == ""


def test_text_before_a_message_may_have_been_read_already(written: _Written) -> None:
    """It is also read while no message comes, so that a message can have a smaller size than what was read."""
    _run("echo first >&2", written)
    size = written.size()
    _run("echo second >&2", written)

    assert written.read(written.size()) == "first\nsecond\n"
    assert written.read(size) == ""


def test_after_a_program_emptied_the_text_what_it_writes_is_read(written: _Written) -> None:
    """A shell's ``> /dev/stderr`` opens it again, and removes what it had."""
    _run("echo a long line of text >&2", written)
    written.read(written.size())

    _run("echo short > /dev/stderr", written)
    assert written.read(written.size()) == "short\n"
    _run("echo next >&2", written)
    assert written.read(written.size()) == "next\n"


def test_text_that_is_gone_is_not_waited_for(written: _Written) -> None:
    """A message has the size of the text before it, and may be read after a program emptied that."""
    _run("echo a long line of text >&2", written)
    size = written.size()
    os.truncate(f"/proc/self/fd/{written.descriptor}", 0)

    assert written.read(size) == ""
    _run("echo next >&2", written)
    assert written.read(written.size()) == "next\n"


@pytest.mark.parametrize("later", [6, 100_000], ids=["short", "longer than one read"])
def test_text_that_replaced_an_emptied_one_is_read_once(written: _Written, later: int) -> None:
    """A program may empty the text and write again between the moment when its size is noted and when it is read."""
    _run(f"head -c {later + 50_000} /dev/zero | tr '\\0' a >&2", written)
    size = written.size()
    os.truncate(f"/proc/self/fd/{written.descriptor}", 0)
    _run(f"head -c {later} /dev/zero | tr '\\0' b >&2", written)

    assert written.read(size) == "b" * later
    assert written.read(written.size()) == ""
    _run("echo next >&2", written)
    assert written.read(written.size()) == "next\n"


_UNREADABLE = {
    "levels": "[" * 300 + "]" * 300,
    "digits": "1" * 5000,
    "no JSON": "{",
    "no object": "5",
    "a report without modules": '{"report": 5}',
    "a report without local modules": '{"report": {"modules": ["b"]}}',
    "a report with other modules": '{"report": {"modules": 1, "local": [2]}}',
}


@pytest.mark.parametrize("text", _UNREADABLE.values(), ids=_UNREADABLE)
def test_a_message_that_cannot_be_read_does_not_keep_a_child_from_its_end(text: str) -> None:
    """A run that has failed leaves messages in the channel, around the report of its child."""
    process = ForkedProcess.__new__(ForkedProcess)
    process.channel, process.fileno, process._code = Channel(), None, 0
    for one in (text, '{"kind": "status"}', '{"report": {"modules": ["a"], "local": []}}', text):
        process.channel.theirs.sendall(struct.pack(">I", len(one)) + one.encode())

    process.end()

    assert process.channel.report == {"modules": ["a"], "local": []}
    process.channel.theirs.close()


_VALID: dict[str, Any] = {"kind": "status", "parent": "0", "time": "", "content": {}, "written": [0, 0]}


@pytest.mark.parametrize(
    "message",
    [
        {},
        *({name: value for name, value in _VALID.items() if name != field} for field in _VALID if field != "kind"),
        *({**_VALID, field: 5} for field in _VALID),
        {**_VALID, "written": [0]},
        {**_VALID, "written": ["0", None]},
    ],
    ids=json.dumps,
)
def test_a_message_without_its_fields_is_left_out(message: dict[str, Any]) -> None:
    """A notebook can write to the socket of its process."""
    process: Any = SimpleNamespace(channel=Channel())
    session = ShellSession(process)
    taken: list[Message] = []
    reply = {**_VALID, "kind": "execute_reply", "content": {"status": "ok"}}
    for one in (message, _VALID, reply, {**_VALID, "content": {"execution_state": "idle"}}):
        data = json.dumps(one).encode()
        process.channel.theirs.sendall(struct.pack(">I", len(data)) + data)

    answer = session.execute(ExecuteRequest(code="", take=taken.append, limit=10))

    assert answer.content == {"status": "ok"}
    assert "an output was left out" in taken[0].content["text"]
    for end in (process.channel.socket, process.channel.theirs, *session._written):
        end.close()
