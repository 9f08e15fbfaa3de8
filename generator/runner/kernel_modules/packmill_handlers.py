"""Cells of a notebook as handlers of HTTP requests, in a child of a prepared process.

The channel (`packmill_child`) carries JSON objects:

- ``{"cells": [source, ...]}`` runs cells; answered with ``{"modules": {...}}``, or with ``{"cell": index, "error":
  text}`` for the first one that failed;
- ``{"source": ..., "info": ..., "request": ..., "largest": bytes}`` runs a handler and the cell that describes its
  response, if that is not empty, with ``request`` in the variable ``REQUEST``; answered with ``{"body": text, "info":
  text}``, or with ``{"error": text}``, and ``"exits": true`` before the end after ``exit``. A body is what was printed,
  else the result of the cell;
- ``{"fork": number}`` with the descriptor of a channel forks a child that has the state of this process and serves that
  channel; answered with ``{"forked": number, "pid": pid}``, or with ``{"forked": number, "threads": [...]}`` because a
  thread would not be in the child, or with ``{"forked": number, "refused": reason}`` because the system has no process
  or memory left at the moment. ``{"exited": number, "status": wait_status}`` is sent when the child ended.

A process that forks runs no more cells. What is printed to standard error goes to the log.
"""

import atexit
import contextlib
import ctypes
import errno
import fcntl
import gc
import json
import os
import re
import selectors
import signal
import socket
import struct
import sys
import threading
from select import POLLIN, poll  # not from what a notebook makes of the module

import packmill_channel
import packmill_child
from IPython.core.interactiveshell import InteractiveShell
from packmill_files import flush_open_files

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_TOO_LARGE = "the response is larger than the server allows (--max-response)"


def serve(connection):
    """Serve a channel until the other side closes it."""
    shell = InteractiveShell.instance()
    shell.channel = _Capture()
    sys.stdout, sys.stderr = (packmill_channel.Stream(shell.channel, number) for number in (0, 1))
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = lambda *arguments, **options: None  # noqa: ARG005 - nobody can type
    _Handlers(shell, connection).serve()


class _Handlers:
    """The loop that answers the channel's requests."""

    def __init__(self, shell, connection):
        self.shell = shell
        self.connection = connection
        connection.set_inheritable(False)
        self.is_busy = False
        self.left = sys.maxsize
        self.forks = None
        self.printed = os.memfd_create("packmill-printed", os.MFD_CLOEXEC)
        fcntl.fcntl(self.printed, fcntl.F_SETFL, os.O_APPEND)  # a program that opens /dev/stdout empties it
        os.dup2(self.printed, 1)
        signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, *_):
        if self.is_busy:
            raise KeyboardInterrupt

    def serve(self):
        while not self.shell.exit_requested:
            if self.forks:
                self.forks.wait_for(self.connection)
            request, descriptors = _receive(self.connection)
            if request is None:
                return
            if "fork" in request:
                self.forks = self.forks or _Forks(self.connection)
                self.forks.fork(request["fork"], *descriptors, foreign=(self.connection, self.printed))
            elif "cells" in request:
                packmill_child.send(self.connection, self._seed(request["cells"]))
            else:
                answer = self._handle(request)
                packmill_child.send(self.connection, {**answer, "exits": self.shell.exit_requested})

    def _seed(self, cells):
        before = set(sys.modules)
        for index, source in enumerate(cells):
            _, error = self._run(source, store_history=True)
            if error:
                return {"cell": index, "error": error}
        return {"modules": packmill_child.report(before, os.path.realpath(""))}

    def _handle(self, request):
        self.shell.user_ns["REQUEST"] = request["request"]
        self.left = self.shell.channel.left = request["largest"]
        body, error = self._run(request["source"])
        if error:
            return {"error": error}
        if not body and self.shell.channel.result:
            body = json.dumps(self.shell.channel.result, default=packmill_channel.as_json)
        if not request["info"]:
            return {"body": body}
        info, error = self._run(request["info"])
        return {"error": error} if error else {"body": body, "info": info}

    def _run(self, source, *, store_history=False):
        """Run a cell; return what it printed and, if it failed, its error as the Kernel Gateway words it."""
        os.ftruncate(self.printed, 0)
        self.shell.channel.result = None
        self.is_busy = True
        try:
            result = self.shell.run_cell(source, store_history=store_history)
        finally:
            self.is_busy = False
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):  # the cell replaced or closed it
                stream.flush()
        _libc.fflush(None)
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            return "", f"Error {type(error).__name__}: {_text_of(error)} \n"
        size = os.fstat(self.printed).st_size
        self.left -= size
        if self.left < 0:  # programs and code in C also print
            return "", f"Error OSError: [Errno {errno.EFBIG}] {_TOO_LARGE} \n"
        return os.pread(self.printed, size, 0).decode("utf-8", "replace") if size else "", ""


def _text_of(error):
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - code of the notebook
        return ""


class _Forks:
    """The children that a process with a notebook's state has."""

    def __init__(self, connection):
        self.connection = connection
        self.children = {}
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.own = packmill_child.list_strays(())
        self.waking, self.wake = os.pipe()
        for end in (self.waking, self.wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        flush_open_files()  # each child would write what is left in buffers
        gc.collect()
        gc.freeze()

    def wait_for(self, connection):
        """Wait for a request, and collect children that ended."""
        waiting = poll()  # `select.select` takes no descriptor above 1023
        for descriptor in (connection.fileno(), self.waking):
            waiting.register(descriptor, POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in waiting.poll()}
            if self.waking in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.waking, 4096)
                self._reap()
            if connection.fileno() in ready:
                return

    def fork(self, number, channel, *, foreign):
        """Fork a child that serves a channel; never returns in it."""
        if threading.active_count() > 1:
            os.close(channel)
            threads = [one.name for one in threading.enumerate() if one is not threading.main_thread()]
            packmill_child.send(self.connection, {"forked": number, "threads": threads})
            return
        parent = os.getpid()
        try:
            child = os.fork()
        except OSError as error:  # this process goes on: its end would be that of all its children
            os.close(channel)
            packmill_child.send(self.connection, {"forked": number, "refused": str(error)})
            return
        if not child:
            descriptors = [self.waking, self.wake]
            descriptors += [one if isinstance(one, int) else one.detach() for one in foreign]
            packmill_child.live("handlers", {"forked": True}, channel, descriptors, parent)
        os.close(channel)
        self.children[child] = number
        packmill_child.send(self.connection, {"forked": number, "pid": child})

    def _reap(self):
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            if ended.si_pid in self.children:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(ended.si_pid, signal.SIGKILL)
            _, status = os.waitpid(ended.si_pid, 0)
            number = self.children.pop(ended.si_pid, None)
            self._kill_strays()
            if number is not None:
                packmill_child.send(self.connection, {"exited": number, "status": status})

    def _kill_strays(self):
        """End processes of ended children that left their process group; those that they started come here next."""
        for pid in packmill_child.list_strays({*self.children, os.getpid()}) - self.own:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


class _Capture:
    """Replaces a shell's channel to a kernel's client: keeps the result of a cell."""

    result = None
    left = sys.maxsize

    def print(self, number, text):
        data = packmill_channel.encode(text)
        _libc.fflush(None)
        if number == 0:
            self.left -= len(data)
            if self.left < 0:
                raise OSError(errno.EFBIG, _TOO_LARGE)
        while data:
            data = data[os.write(number + 1, data) :]

    def send(self, kind, content):
        if kind == "execute_result":
            self.result = content["data"]
        elif kind == "error":
            self.print(1, _COLORS.sub("", "\n".join(content["traceback"])) + "\n")


def leave_seed():
    """Undo what the fork of a process with a notebook's state shares, besides `packmill_child`."""
    atexit._clear()  # registered by cells that ran in the parent
    helpers = sys.modules.get("IPython.core.async_helpers")
    loop = getattr(helpers, "_asyncio_event_loop", None)
    if loop is not None:
        with contextlib.suppress(Exception):
            _separate(loop)


def _separate(loop):
    """Give an event loop of asyncio what it shares with the parent's: the epoll instance and the wake-up socket."""
    shared = loop._selector
    loop._selector = selectors.DefaultSelector()
    for key in shared.get_map().values():
        loop._selector.register(key.fd, key.events, key.data)
    shared.close()
    loop._close_self_pipe()
    loop._make_self_pipe()
    loop._default_executor = None


def _receive(connection):
    """Return a message and its descriptors; None at the end."""
    head, descriptors, _, _ = socket.recv_fds(connection, 4, 1)
    while head and len(head) < 4:
        part = connection.recv(4 - len(head))
        head = head + part if part else b""
    if not head:
        return None, []
    inheritable = False
    for descriptor in descriptors:
        os.set_inheritable(descriptor, inheritable)
    left, parts = struct.unpack(">I", head)[0], []
    while left:
        part = connection.recv(min(left, 1 << 20))
        if not part:
            return None, []
        parts.append(part)
        left -= len(part)
    return json.loads(b"".join(parts)), descriptors
