"""A notebook's cells in an IPython shell without the kernel protocol, in a child of a prepared process.

The channel is a Unix socket of type SOCK_STREAM; each message is a JSON object after its length (4 bytes, big endian).
Requests are ``{"id": ..., "code": ...}``. Answers have the kinds and contents of Jupyter's messaging protocol
(``stream``, ``display_data``, ``execute_result``, ``error``, ``status``, ``execute_reply``), and ``written``: the sizes
of the files behind descriptors 1 and 2 when the message was sent, so that the reader can put in order what programs and
C libraries wrote to them.
"""

import ctypes
import datetime
import json
import os
import struct
import sys
import time

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

_QUIET = 0.05
"""Seconds without a message after which printed text is sent at once."""
_LARGEST_TEXT = 1 << 16
_WARM_UP = "from IPython.display import HTML as _h, display as _d; _d(_h('')); del _d, _h; 1"
"""Loads IPython's own lazy imports; uses nothing of the notebook's libraries."""
_libc = ctypes.CDLL(None)


def make_shell():
    """Make the shell that children inherit, in the prepared process."""
    shell = ZMQInteractiveShell.instance(config=_config(), display_pub_class=_Publisher, displayhook_class=_Hook)
    shell.channel = _Nothing()
    shell.run_cell(_WARM_UP, store_history=True)
    shell.reset(new_session=True)
    return shell


def serve(connection, files):
    """Run the cells that arrive until the other side closes the socket. ``files`` are the descriptors behind 1 and 2."""
    for number, file in zip((1, 2), files):
        os.dup2(file, number)
    shell = InteractiveShell.instance()
    shell.channel = channel = _Channel(connection, files)
    sys.stdout, sys.stderr = _Stream(channel, "stdout", 1), _Stream(channel, "stderr", 2)
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = lambda *arguments, **options: None  # noqa: ARG005 - nobody can type
    while (request := channel.receive()) is not None:
        channel.parent = request["id"]
        channel.send("status", {"execution_state": "busy"})
        channel.send("execute_reply", _execute(shell, request["code"]))
        channel.send("status", {"execution_state": "idle"})
        if shell.exit_requested:
            return


def _execute(shell, code):
    """Run a cell and return the content of its reply."""
    shell.last_traceback = []
    count = shell.execution_count
    shell.channel.send("execute_input", {"code": code, "execution_count": count})
    result = shell.run_cell(code, store_history=True)
    _flush(sys.stdout, sys.stderr)
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return {"status": "ok", "execution_count": count, "payload": [], "user_expressions": {}}
    name, value = type(error).__name__, str(error)
    return {"status": "error", "ename": name, "evalue": value, "traceback": shell.last_traceback, "execution_count": count}


def _flush(*streams):
    for stream in streams:
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # the cell replaced or closed it
            continue


class ZMQInteractiveShell(InteractiveShell):
    """IPython's shell under the name by which libraries recognize a notebook."""

    channel = None
    last_traceback = []
    exit_requested = False

    def _showtraceback(self, etype, evalue, stb):
        self.last_traceback = stb
        content = {"ename": str(etype.__name__), "evalue": str(evalue), "traceback": stb}
        self.channel.send("error", content)

    def enable_gui(self, gui=None):
        """Do nothing: nobody sits in front of a window."""

    def ask_exit(self):
        """End the process after ``exit`` in a cell, as a kernel does."""
        self.exit_requested = True


class _Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **_):
        _flush(sys.stdout, sys.stderr)
        kind = "update_display_data" if update else "display_data"
        self.shell.channel.send(kind, {"data": data, "metadata": metadata or {}, "transient": transient or {}})

    def clear_output(self, wait=False):
        _flush(sys.stdout, sys.stderr)
        self.shell.channel.send("clear_output", {"wait": wait})


class _Hook(DisplayHook):
    def start_displayhook(self):
        self.message = {"execution_count": self.prompt_count, "data": {}, "metadata": {}}

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.message.update(data=format_dict, metadata=md_dict or {})

    def finish_displayhook(self):
        _flush(sys.stdout, sys.stderr)
        if self.message["data"]:
            self.shell.channel.send("execute_result", self.message)


class _Stream:
    """``sys.stdout`` or ``sys.stderr`` of a cell."""

    encoding, errors, newlines, closed, mode = "utf-8", "replace", None, False, "w"
    line_buffering = write_through = True

    def __init__(self, channel, name, descriptor):
        self.channel, self.name, self.descriptor, self.process = channel, name, descriptor, os.getpid()

    @property
    def buffer(self):
        return _Bytes(self)

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if os.getpid() == self.process:
            self.channel.print(self.name, text)
        else:  # a process that the cell forked, such as one of multiprocessing
            os.write(self.descriptor, text.encode("utf-8", "replace"))
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        if os.getpid() == self.process:
            self.channel.flush()

    def fileno(self):
        return self.descriptor

    def isatty(self):
        return False

    def readable(self):
        return False

    def writable(self):
        return True

    def seekable(self):
        return False

    def close(self):
        pass


class _Bytes:
    """The binary layer of a stream, for ``sys.stdout.buffer.write``."""

    closed = False

    def __init__(self, stream):
        self.stream = stream

    def write(self, data):
        self.stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def flush(self):
        self.stream.flush()


class _Nothing:
    """Stands in for the channel in the prepared process."""

    def send(self, kind, content):
        pass

    print = send


class _Channel:
    def __init__(self, connection, files):
        self.stream = connection.makefile("rwb", buffering=1 << 16)
        self.files = files
        self.parent = self.name = ""
        self.text = []
        self.written = []
        self.length = 0
        self.sent = 0.0

    def send(self, kind, content):
        """Send a message after the text that was printed before it."""
        self.flush()
        self._write(kind, content, self._sizes())
        if kind != "status" or content["execution_state"] == "idle":  # else together with what follows
            self.stream.flush()

    def print(self, name, text):
        """Send text at once after a pause, otherwise together with what follows."""
        written = self._sizes()
        if name != self.name or written != self.written:
            self.flush()
            self.name, self.written = name, written
        self.text.append(text)
        self.length += len(text)
        if self.length > _LARGEST_TEXT or time.monotonic() - self.sent > _QUIET:
            self.flush()
            self.stream.flush()

    def flush(self):
        """Put the printed text into a message."""
        if self.text:
            text, self.text, self.length = "".join(self.text), [], 0
            self._write("stream", {"name": self.name, "text": text}, self.written)

    def _sizes(self):
        _libc.fflush(None)
        return [os.fstat(file).st_size for file in self.files]

    def _write(self, kind, content, written):
        message = {
            "kind": kind,
            "parent": self.parent,
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(),
            "content": content,
            "written": written,
        }
        data = json.dumps(message, default=_as_json).encode("utf-8", "replace")
        self.stream.write(struct.pack(">I", len(data)) + data)
        self.sent = time.monotonic()

    def receive(self):
        """Return the next request; None when the other side closed the socket."""
        head = self.stream.read(4)
        return json.loads(self.stream.read(struct.unpack(">I", head)[0])) if len(head) == 4 else None


def _as_json(value):
    """Convert what Jupyter's own serializer converts: bytes to base64, times to ISO 8601, numbers of numpy."""
    if isinstance(value, (bytes, bytearray)):
        import base64

        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _config():
    config = Config()
    config.HistoryManager.enabled = False  # it would store every cell in the user's home, and needs a thread
    config.IPKernelApp.quiet = True  # libraries look for this section to recognize a notebook
    return config
