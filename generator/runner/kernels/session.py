"""The messages exchanged with one kernel: until it is ready, while it runs a cell, and when it shuts down.

Waiting is exact: a kernel is ready after an answer on both shell and iopub, a cell is done after its reply and the
kernel's idle status, and the process's exit is noticed at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import zmq

from generator.runner.kernels.channels import Channels
from generator.runner.kernels.endings import NO_REPLY, CellTooLongError, KernelGoneError, NotReadyError, OutputLostError
from generator.runner.kernels.interfaces import ConnectedProcess
from generator.runner.kernels.messages import ExecuteRequest, Message, Take, ignore

_ASK_AGAIN = 0.05
"""Seconds until a kernel that is silent on iopub is asked again: the subscription may have been too late."""
_LOST = 1.0
"""Seconds until a kernel that does not reply is asked again: it may have lost a request while it started."""
_ANSWER_TIMEOUT = 60.0
"""Seconds that a kernel has to answer a question."""
_TICK = 1.0
"""Seconds between two calls of ``tick`` while a cell is silent."""
_LATE_OUTPUT = 10.0
"""Seconds until a missing idle status counts as lost output, and a missing reply of an idle kernel as a failure."""


class Session:
    """A connection to a started kernel."""

    def __init__(self, process: ConnectedProcess) -> None:
        self.process = process
        self.channels = Channels(process.connection)
        self._poller = zmq.Poller()
        for channel in (self.channels.shell, self.channels.iopub):
            self._poller.register(channel, zmq.POLLIN)
        if process.fileno is not None:
            self._poller.register(process.fileno, zmq.POLLIN)
        self.current_request = ""

    def wait_until_ready(self, timeout: float) -> dict[str, Any]:
        """Wait for the kernel's answer and return it (``kernel_info_reply``).

        Raises:
            KernelGoneError: the kernel's process exited.
            NotReadyError: the kernel did not answer within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        asked: set[str] = set()
        info: dict[str, Any] | None = None
        heard = False
        again = 0.0
        while info is None or not heard:
            now = time.monotonic()
            if now > deadline:
                raise NotReadyError
            if now >= again:
                asked.add(self.channels.send(self.channels.shell, "kernel_info_request", {}))
                again = now + (_LOST if info is None else _ASK_AGAIN)
            self._wait(_ASK_AGAIN)
            for reply in self._arrived(self.channels.shell):
                if reply.parent in asked:
                    again = now if info is None else again
                    info = reply.content
            for message in self._arrived(self.channels.iopub):
                heard = heard or (message.parent in asked and _is_idle(message))
        return info

    def wait_for_language_version(self, timeout: float, *, other_than: str) -> None:
        """Ask until the kernel knows the version of its language, or ``timeout`` seconds have passed.

        Raises:
            KernelGoneError: the kernel's process exited.
        """
        deadline = time.monotonic() + timeout
        version: object = other_than
        while time.monotonic() < deadline and version == other_than:
            self.channels.send(self.channels.shell, "kernel_info_request", {})
            self._wait(_ASK_AGAIN)
            for _ in self._arrived(self.channels.iopub):
                pass
            for reply in self._arrived(self.channels.shell):
                version = (reply.content.get("language_info") or {}).get("version")
            time.sleep(_ASK_AGAIN)

    def ask(self, code: str, *, take: Take, silent: bool = True, fields: Mapping[str, Any] | None = None) -> str | None:
        """Run code outside of the cells and return its output or its error; None without a reply within a minute.

        ``take`` gets the messages that belong to cells; ``fields`` are further fields of the request.

        Raises:
            KernelGoneError: the kernel's process exited.
        """
        answer: list[str] = []

        def collect(message: Message) -> None:
            if message.parent == self.current_request:
                answer.append(_text(message))
            else:
                take(message)

        content = {**_request(code, silent=silent), **(fields or {})}
        self.current_request = self.channels.send(self.channels.shell, "execute_request", content)
        try:
            reply = self._receive_until_idle(collect, ignore, time.monotonic() + _ANSWER_TIMEOUT)
        except (CellTooLongError, OutputLostError):
            return None
        return "".join(answer) or str(reply.content.get("evalue") or "")

    def execute(self, request: ExecuteRequest) -> Message:
        """Run code and return its ``execute_reply``, or a failure if the kernel is idle again and does not reply.

        Raises:
            KernelGoneError: the kernel's process exited.
            CellTooLongError: the limit of the request passed.
            OutputLostError: the kernel replied, but its idle status did not arrive.
        """
        options = {"store_history": True, "stop_on_error": request.stop_on_error, **(request.fields or {})}
        content = {**_request(request.code, silent=False), **options}
        self.current_request = self.channels.send(self.channels.shell, "execute_request", content)
        request.sent(self.current_request)
        deadline = None if request.limit is None else time.monotonic() + request.limit
        return self._receive_until_idle(request.take, request.tick, deadline)

    def _receive_until_idle(self, take: Take, tick: Callable[[], None], deadline: float | None) -> Message:
        reply: Message | None = None
        idle = False
        silent_until = 0.0
        while reply is None or not idle:
            left = _TICK if deadline is None else min(_TICK, deadline - time.monotonic())
            if left <= 0:
                raise CellTooLongError
            self._wait(left)
            if reply is None:
                answers = self._arrived(self.channels.shell)
                reply = next((answer for answer in answers if answer.parent == self.current_request), None)
            for message in self._arrived(self.channels.iopub):
                silent_until = 0.0
                idle = idle or (message.parent == self.current_request and _is_idle(message))
                take(message)
                if reply is not None and not idle and _seconds_between(reply, message) > _LATE_OUTPUT:
                    raise OutputLostError  # other messages, such as a thread's, may arrive without end
            if (reply is not None) != idle:  # the other one is missing
                silent_until = silent_until or time.monotonic() + _LATE_OUTPUT
                if time.monotonic() > silent_until:
                    if reply is not None:
                        raise OutputLostError
                    return _no_reply(self.current_request)
            tick()
        return reply

    def _arrived(self, channel: zmq.Socket[bytes]) -> Iterator[Message]:
        """Yield the messages of a channel that have arrived.

        Without end for a kernel that publishes faster than its messages are handled, so after a tick the others wait
        for the next call.
        """
        end = time.monotonic() + _TICK
        while message := self.channels.receive(channel):
            yield message
            if time.monotonic() > end:
                return

    def _wait(self, seconds: float) -> None:
        ready = dict(self._poller.poll(max(1, int(seconds * 1000))))
        gone = self.process.fileno in ready if self.process.fileno is not None else self.process.exit_code() is not None
        if gone and self.channels.shell not in ready and self.channels.iopub not in ready:
            raise KernelGoneError

    def send_to_shell(self, kind: str, content: dict[str, Any], *, parent: str | None = None) -> None:
        """Send a message that expects no answer, such as those of widgets."""
        self.channels.send(self.channels.shell, kind, content, parent=parent)

    def interrupt(self, *, take: Take, patience: float) -> None:
        """Interrupt the running cell and handle its messages for at most ``patience`` seconds."""
        if self.process.kernel.interrupt_mode == "message":
            self.channels.send(self.channels.control, "interrupt_request", {})
        else:
            self.process.interrupt()
        with suppress(KernelGoneError, CellTooLongError, OutputLostError):
            self._receive_until_idle(take, ignore, time.monotonic() + patience)

    def request_shutdown(self, *, take: Take, patience: float, grace: float | None = None) -> bool:
        """Ask the kernel to shut down, so that it flushes open files, and handle its last messages.

        Return whether its process exited within ``patience`` seconds. With ``grace``, a reply is enough: the process
        has ``grace`` seconds after it.
        """
        self.channels.send(self.channels.control, "shutdown_request", {"restart": False})
        self._poller.register(self.channels.control, zmq.POLLIN)
        deadline = time.monotonic() + patience
        gone = replied = False
        while not gone and (left := deadline - time.monotonic()) > 0:
            try:
                self._wait(left if self.process.fileno is not None else min(left, _ASK_AGAIN))
            except KernelGoneError:
                gone = True
            for reply in self._arrived(self.channels.control):
                if reply.kind == "shutdown_reply" and grace is not None and not replied:
                    replied, deadline = True, min(deadline, time.monotonic() + grace)
            for _ in self._arrived(self.channels.shell):
                pass
            for message in self._arrived(self.channels.iopub):
                take(message)
        return gone or replied

    def check_losses(self) -> None:
        """Check that all messages arrived; after the shutdown, because threads send theirs in any order.

        Raises:
            OutputLostError: the numbers of the kernel's messages have gaps.
        """
        if self.channels.received.lost() and not self.process.keeps_output:
            raise OutputLostError

    def end(self) -> None:
        """End the kernel and close the sockets."""
        self.process.end()
        self.channels.close()


def _seconds_between(earlier: Message, later: Message) -> float:
    """Return the time between two messages by the kernel's clock; 0 if one has no valid time."""
    try:
        begin, end = (datetime.fromisoformat(one.time.replace("Z", "+00:00")) for one in (earlier, later))
        return (end - begin).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def _request(code: str, *, silent: bool) -> dict[str, Any]:
    options = {"store_history": False, "user_expressions": {}, "allow_stdin": False, "stop_on_error": False}
    return {"code": code, "silent": silent, **options}


def _no_reply(request: str) -> Message:
    content = {"status": "error", "ename": "error", "evalue": "the kernel did not reply; is the cell incomplete?"}
    return Message(NO_REPLY, request, "", content)


def _text(message: Message) -> str:
    """Return the text that a message publishes."""
    content = message.content
    data = content.get("data")
    return str(
        content.get("text") or content.get("evalue") or (data.get("text/plain") if isinstance(data, dict) else "") or ""
    )


def _is_idle(message: Message) -> bool:
    return message.kind == "status" and message.content.get("execution_state") == "idle"
