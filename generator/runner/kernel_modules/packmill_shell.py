"""A notebook's cells in an IPython shell without the kernel protocol, in a child of a prepared process.

Requests are ``{"id": ..., "code": ...}``. Answers have the kinds and contents of Jupyter's messaging protocol
(``display_data``, ``execute_result``, ``error``, ``status``, ``execute_reply``). Text is written to the files behind
descriptors 1 and 2, as C libraries and programs do; ``written`` in each message is how much the files had before it.
After `_UNREAD` bytes of text a message with ``"confirm": true`` asks for ``{"confirmed": true}``, so that the reader is
not left behind.
"""

import contextlib
import ctypes
import datetime
import io
import json
import os
import struct
import sys
import tempfile
import threading
import zlib

from IPython.core import page
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

_UNREAD = 1 << 23
_SENT_LATER = {"execute_result", "execute_reply"}
"""Kinds of messages that are followed by another one at once."""
_WARM_UP = "from IPython.display import HTML as _h, display as _d; _d(_h('')); del _d, _h; 1"
"""Loads IPython's own lazy imports; uses nothing of the notebook's libraries."""
_libc = ctypes.CDLL(None)


def make_shell():
    """Make the shell that children inherit, in the prepared process."""
    shell = ZMQInteractiveShell.instance(
        config=_config(), display_pub_class=_Publisher, displayhook_class=_Hook, compiler_class=_Compiler
    )
    shell.channel = _Nothing()
    names = dict(shell.user_ns)
    shell.run_cell(_WARM_UP, store_history=True)
    shell.reset(new_session=True)
    shell.user_ns.update({name: value for name, value in names.items() if name not in shell.user_ns})
    for name in ("clear", "less", "man", "more"):  # other magics in a kernel
        with contextlib.suppress(ValueError):
            shell.alias_manager.undefine_alias(name)
    return shell


def serve(connection, files):
    """Run the cells that arrive until the other side closes the socket; ``files`` are descriptors 1 and 2."""
    shell = InteractiveShell.instance()
    shell.channel = channel = _Channel(connection, files)
    sys.stdout, sys.stderr = _Stream(channel, 0), _Stream(channel, 1)
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = lambda *arguments, **options: None  # noqa: ARG005 - nobody can type
    while (request := channel.receive()) is not None:
        channel.current = request["id"]
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
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # the cell replaced or closed it
            continue
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return {"status": "ok", "execution_count": count, "payload": [], "user_expressions": {}}
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - code of the notebook
        text = ""
    named = {"ename": type(error).__name__, "evalue": text}
    return {"status": "error", "execution_count": count, "traceback": shell.last_traceback, **named}


class ZMQInteractiveShell(InteractiveShell):
    """IPython's shell under the name by which libraries recognize a notebook; like ipykernel's where users notice."""

    channel = None
    last_traceback = ()
    exit_requested = False

    def init_environment(self):
        os.environ.update(TERM="xterm-color", CLICOLOR="1", FORCE_COLOR="1", CLICOLOR_FORCE="1")
        os.environ.update(PAGER="cat", GIT_PAGER="cat")

    def init_hooks(self):
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(lambda *_, **__: None), 99)

    def init_virtualenv(self):
        """Do not add the packages of VIRTUAL_ENV, which may be those of another Python."""

    def _showtraceback(self, etype, evalue, stb):
        self.last_traceback = stb
        self.channel.send("error", {"ename": str(etype.__name__), "evalue": str(evalue), "traceback": stb})

    def enable_gui(self, gui=None):
        """Do nothing: nobody sits in front of a window."""

    def ask_exit(self):
        """End the process after ``exit`` in a cell, as a kernel does."""
        self.exit_requested = True


class _Compiler(CachingCompiler):
    """Names cells like ipykernel: names of Python files that do not exist, which shortens tracebacks."""

    def get_code_name(self, raw_code, code, number):  # noqa: ARG002
        number = zlib.crc32(raw_code.encode("utf-8", "replace"))
        return os.path.join(tempfile.gettempdir(), f"ipykernel_{os.getpid()}", f"{number}.py")


class _Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **_):  # noqa: ARG002
        kind = "update_display_data" if update else "display_data"
        self.shell.channel.send(kind, {"data": data, "metadata": metadata or {}, "transient": transient or {}})

    def clear_output(self, wait=False):  # noqa: FBT002 - IPython's signature
        self.shell.channel.send("clear_output", {"wait": wait})


class _Hook(DisplayHook):
    def start_displayhook(self):
        self.message = {"execution_count": self.prompt_count, "data": {}, "metadata": {}}

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.message.update(data=format_dict, metadata=md_dict or {})

    def finish_displayhook(self):
        if self.message["data"]:
            self.shell.channel.send("execute_result", self.message)


class _Stream(io.TextIOBase):
    """``sys.stdout`` or ``sys.stderr`` of a cell."""

    encoding, errors, newlines, mode = "UTF-8", None, None, "w"
    line_buffering = write_through = True

    def __init__(self, channel, number):
        super().__init__()
        self.channel, self.number, self.name = channel, number, ("stdout", "stderr")[number]

    @property
    def buffer(self):
        return _Bytes(self)

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        if self.closed:
            raise ValueError("I/O operation on closed file")
        self.channel.print(self.number, text)
        return len(text)

    def flush(self):
        _libc.fflush(None)

    def fileno(self):
        return self.number + 1

    def isatty(self):
        return False

    def writable(self):
        return True


class _Bytes(io.RawIOBase):
    """The binary layer of a stream, for ``sys.stdout.buffer.write``."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def write(self, data):
        self.stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def writable(self):
        return True


class _Nothing:
    """The channel of the shell in the prepared process."""

    def send(self, kind, content):
        pass


class _Channel:
    def __init__(self, connection, files):
        self.stream = connection.makefile("rwb", buffering=1 << 16)
        self.files = files
        self.process = os.getpid()
        self.current = ""
        self.unread = 0
        self.lock = threading.RLock()

    def print(self, number, text):
        data = _encode(text)
        _libc.fflush(None)
        while data:
            data = data[os.write(self.files[number], data) :]
        self.unread += len(text)
        if self.unread > _UNREAD and os.getpid() == self.process:
            self._wait_for_reader()

    def send(self, kind, content):
        """Send a message after the text that was printed before it."""
        message = {
            "kind": kind,
            "parent": self.current,
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(),
            "content": content,
        }
        self._write(message, at_once=kind not in _SENT_LATER and content.get("execution_state") != "busy")

    def _write(self, message, *, at_once=True):
        _libc.fflush(None)
        message["written"] = [os.fstat(file).st_size for file in self.files]
        data = json.dumps(message, default=_as_json).encode("utf-8", "replace")
        with self.lock:
            self.stream.write(struct.pack(">I", len(data)) + data)
            if at_once:
                self.stream.flush()

    def _wait_for_reader(self):
        with self.lock:
            self.unread = 0
            self._write({"confirm": True})
            self._read()

    def receive(self):
        """Return the next request; None when the other side closed the socket."""
        while (message := self._read()) is not None:
            if "code" in message:
                return message
        return None

    def _read(self):
        head = self.stream.read(4)
        return json.loads(self.stream.read(struct.unpack(">I", head)[0])) if len(head) == 4 else None


def _encode(text):
    try:
        return text.encode("utf-8", "surrogateescape")  # bytes of file names
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


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
