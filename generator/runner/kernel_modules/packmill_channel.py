"""What a cell of `packmill_shell` prints and shows, on its way to the runner."""

import ctypes
import datetime
import io
import json
import os
import struct
import threading

_UNREAD = 1 << 23
_SENT_LATER = {"execute_input", "execute_result", "execute_reply"}
"""Kinds of messages that nobody waits for before the next one."""
_libc = ctypes.CDLL(None)


class Stream(io.TextIOBase):
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


class Nothing:
    """The channel of the shell in the prepared process."""

    def send(self, kind, content):
        pass


class Channel:
    """The socket to the runner, and the files behind descriptors 1 and 2."""

    def __init__(self, connection, files):
        self.stream = connection.makefile("rwb", buffering=1 << 16)
        self.files = files
        self.process = os.getpid()
        self.current = ""
        self.unread = 0
        self.lock = threading.RLock()

    def print(self, number, text):
        data = encode(text)
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
        data = json.dumps(message, default=as_json).encode("utf-8", "replace")
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


def encode(text):
    try:
        return text.encode("utf-8", "surrogateescape")  # bytes of file names
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def as_json(value):
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
