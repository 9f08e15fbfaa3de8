"""Failed cells of kernels that report success, or an error without a cause: noticed as the kernel's traits describe."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from generator.runner.document.streams import plain_output
from generator.runner.kernels.interfaces import KernelSession
from generator.runner.kernels.messages import Message, Take
from generator.runner.kernels.traits import Mark, Traits, When


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure's name and cause."""

    name: str
    value: str


EXIT = Failure("exit status", "0")
"""A cell that left the kernel on purpose."""


class Failures:
    """Notices failed cells, by their index."""

    def __init__(
        self, traits: Traits, session: KernelSession, *, take: Take, fields: Mapping[str, Any] | None = None
    ) -> None:
        """``take`` gets the cells' messages that arrive while a question is asked.

        ``fields`` are further fields of requests, which choose a kernel in SoS.
        """
        self.traits = traits
        self._fields = fields
        self._session = session
        self._take = take
        self._marked: dict[int, Failure] = {}
        self.questions = 0
        """Questions that the kernel counted as executions."""

    def prepare(self) -> None:
        """Make the kernel's failures visible."""
        if self.traits.prepare:
            self._session.ask(self.traits.prepare, take=self._take, fields=self._fields)

    def notice(self, index: int, message: Message) -> Message:
        """Note a failure that a cell's message shows, and return the message as the notebook shows it."""
        content = message.content
        for mark in self.traits.marks if message.kind == "stream" else ():
            if content.get("name") == mark.stream and (found := mark.pattern.search(str(content.get("text")))):
                self._marked.setdefault(index, EXIT if mark.exits else self._failure(found))
                content = {**content, "text": _without_mark(mark, found)}
        return replace(message, content=content)

    def find(self, index: int, reply: Message) -> Failure | None:
        """Return the failure of a cell for which the kernel replied ``ok``; a value of ``0`` is a regular exit."""
        marked = self._marked.pop(index, None)
        question = self.traits.question
        left = self.traits.exit_ends_cells and _asks_exit(reply)
        due = {When.ALWAYS: True, When.MARKED: marked is not None, When.EXIT: left}
        if question is None or not due[question.when]:
            return marked or (EXIT if left else None)
        self.questions += not question.silent
        answer = self._session.ask(question.code, take=self._take, silent=question.silent, fields=self._fields)
        found = question.pattern.search(answer or "")
        if not found:
            return None
        return marked or self._failure(found)

    def _failure(self, found: re.Match[str]) -> Failure:
        value = (found.groupdict().get("value") or "unknown").strip()
        named = _NAMED.match(value)
        return Failure(named["name"], named["value"]) if named else Failure(self.traits.error_name, value)

    def late(self) -> tuple[int, Failure] | None:
        """Return a failure, with its cell's index, that was noticed after the end of the cell."""
        return self._marked.popitem() if self._marked else None

    def forget(self, index: int) -> Failure | None:
        """Drop and return what was noticed about a cell that failed in another way, or may fail."""
        return self._marked.pop(index, None)


def _without_mark(mark: Mark, found: re.Match[str]) -> str:
    if "mark" not in mark.pattern.groupindex:
        return found.string
    return found.string[: found.start("mark")] + found.string[found.end("mark") :]


def _asks_exit(reply: Message) -> bool:
    payload = reply.content.get("payload")
    return isinstance(payload, list) and any(
        isinstance(one, dict) and one.get("source") == "ask_exit" for one in payload
    )


_CLASS = re.compile(r"<class '(?:\w+\.)*(\w+)'>")
_NAMED = re.compile(r"^(?P<name>\w*(?:Error|Exception)): (?P<value>.+)", re.MULTILINE)


def describe_error(
    content: Mapping[str, Any],
    cell: Mapping[str, Any],
    *,
    unnamed: str,
    hide: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> Failure:
    """Return name and cause of an error; without a cause in ``content``, it is taken from the cell's stderr.

    ``hide`` masks secrets, which the kernel may have printed in pieces.
    """
    name, value = str(content.get("ename") or ""), str(content.get("evalue") or "")
    if known := _CLASS.fullmatch(name):  # xeus-python
        name = known[1]
    if not name and not value:
        errors = str(hide({"text": _stderr(cell)})["text"])
        if named := [*_NAMED.finditer(errors)]:
            name, value = named[-1]["name"], named[-1]["value"]
        else:
            value = _last_message(errors)
    return Failure(name or unnamed, value.strip("\n"))


def _stderr(cell: Mapping[str, Any]) -> str:
    """Return a cell's text on stderr, without its colors."""
    outputs = [one for one in cell.get("outputs") or () if one.get("output_type") == "stream"]
    text = "".join(str(plain_output(one)["text"]) for one in outputs if one["name"] == "stderr")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def _last_message(text: str) -> str:
    """Return the last line that is not indented, as tracebacks of many languages end."""
    lines = reversed(text.splitlines())
    return next((line.strip() for line in lines if line.strip() and not line[0].isspace()), "")
