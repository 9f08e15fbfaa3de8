"""A prepared process: imports modules, uses none of them, and forks a child for each run.

Started as ``python packmill_prepared.py KIND FD [FOLDER]`` in the interpreter of a notebook's kernel. KIND is
``kernel``, ``shell`` or ``handlers`` (see `packmill_child`); FOLDER, if given, comes last on the path of modules. FD is
a Unix socket of type SOCK_SEQPACKET. Requests and answers are JSON objects:

- ``{"do": "import"}`` with the descriptor of a file that has ``{"modules": [...], "local": [...]}``, where ``local``
  are names of modules that must not be loaded; answered with ``{"imported": seconds, "failed": {...},
  "refused": {package: reason}, "language": {...}}``. After a refusal the process is of no use.
- ``{"do": "fork", ...}`` with the descriptor of the child's channel; answered with ``{"forked": pid}``, or with
  ``{"forked": null, "threads": [...]}`` because a thread would not be in the child, or with ``{"forked": null,
  "refused": reason}`` because the system has no process or memory left at the moment.
- ``{"exited": pid, "status": wait_status, "peak_memory": bytes}`` is sent when a child ended.

The process has one Python thread and no ZeroMQ context: both would break its children. When the other side closes the
socket, it ends all children, their process groups, and itself.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
from select import POLLIN, poll  # not from what a notebook makes of the module

import packmill_child

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LARGEST = 1 << 17
"""Bytes of one request."""
_STRAYS_TIMEOUT = 2.0
"""Seconds in which processes that a run left behind have to end after SIGKILL."""
_MADV_COLLAPSE = 25
_LARGE_PAGE = 1 << 21
_INLINE = "module://matplotlib_inline.backend_inline"
_libc = ctypes.CDLL(None, use_errno=True)


def main(kind, descriptor):
    """Serve requests until the other side closes the socket."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # an import may keep it from noticing the socket's end
    os.environ.setdefault("MPLBACKEND", _INLINE)  # matplotlib reads it when it is imported
    packmill_child.prepare(kind)
    PreparedProcess(kind, socket.socket(fileno=descriptor)).serve()


class PreparedProcess:
    """The loop that answers requests."""

    def __init__(self, kind, control):
        self.kind = kind
        self.control = control
        control.set_inheritable(False)
        self.children = set()
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # processes that a run left behind end here, not at pid 1
        self.waking, self.wake = os.pipe()
        for end in (self.waking, self.wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)

    def serve(self):
        waiting, control = poll(), self.control.fileno()  # `select.select` takes no descriptor above 1023
        for descriptor in (control, self.waking):
            waiting.register(descriptor, POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in waiting.poll()}
            if self.waking in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.waking, 4096)
                self._reap()
            if control in ready:
                try:
                    message, descriptors, _, _ = socket.recv_fds(self.control, _LARGEST, 1)
                except ConnectionResetError:  # the other side closed without reading an answer
                    message, descriptors = b"", []
                if not message:
                    self._end()
                self._answer(json.loads(message), *descriptors)

    def _answer(self, request, descriptor):
        if request["do"] == "fork":
            self._fork(request, descriptor)
            return
        with os.fdopen(descriptor, "rb") as file:
            self._send(import_modules(**json.loads(file.read())))

    def _fork(self, request, channel):
        if threading.active_count() > 1:
            os.close(channel)
            self._send({"forked": None, "threads": _list_threads()})
            return
        # A busy import needs the signal below to end with the other side; this loop needs time to end its children.
        _libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)
        parent = os.getpid()
        try:
            child = os.fork()
        except OSError as error:  # this process goes on: its end would be that of all its children
            os.close(channel)
            self._send({"forked": None, "refused": str(error)})
            return
        if child:
            self.children.add(child)
            os.close(channel)
            self._send({"forked": child})
            return
        foreign = (self.control.detach(), self.waking, self.wake)
        packmill_child.live(self.kind, request, channel, foreign, parent)

    def _reap(self):
        """Collect ended processes; end what a run left behind, and report the exit."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            if ended.si_pid in self.children:
                _kill_group(ended.si_pid)
            pid, status, usage = os.wait4(ended.si_pid, 0)
            if pid in self.children:
                self.children.discard(pid)
                self._kill_strays()
                self._send({"exited": pid, "status": status, "peak_memory": usage.ru_maxrss * 1024})

    def _kill_strays(self):
        """End what an ended run left outside its process group, and what that started: these come here with it."""
        deadline = time.monotonic() + _STRAYS_TIMEOUT
        while (strays := packmill_child.list_strays(self.children)) and time.monotonic() < deadline:
            for pid in strays:
                _kill(pid)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.001)

    def _send(self, message):
        with contextlib.suppress(OSError):
            self.control.send(json.dumps(message).encode())

    def _end(self):
        for child in self.children:
            _kill_group(child)
            _kill(child)
        for child in self.children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
        self.children.clear()
        self._kill_strays()
        os._exit(0)


def import_modules(modules, local):
    """Import modules and judge whether children of this process can have them."""
    started = time.monotonic()
    failed, refused = {}, {}
    packages = {name.partition(".")[0] for name in modules}
    with _printed() as printed, _asked_for_shell() as askers:
        for name in modules:
            try:
                importlib.import_module(name)
            except BaseException as error:  # noqa: BLE001 - any error of a module: the run will show it
                failed[name] = f"{type(error).__name__}: {error}"
            package = name.partition(".")[0]
            if threading.active_count() > 1:
                refused[package] = f"starts a thread ({', '.join(_list_threads())})"
                break
            if askers:
                culprits = askers & packages or {package}
                refused.update(dict.fromkeys(culprits, "looks for the notebook's shell when it is imported"))
                askers.clear()
            if printed():
                refused.setdefault(package, "prints when it is imported")
                break
    if shadowed := sorted(set(local) & set(sys.modules)):
        refused[shadowed[0]] = "is also a module of the notebook's folder"
    gc.collect()
    gc.freeze()  # a collection in a child would copy the pages of every object
    _use_large_pages()
    seconds = time.monotonic() - started
    return {"imported": seconds, "failed": failed, "refused": refused, "language": packmill_child.describe_language()}


def _use_large_pages():
    """Move the memory of this process to large pages: a fork copies one entry for 2 MB instead of 512.

    Linux 6.1 and later can do so (madvise(2), MADV_COLLAPSE). Children copy small pages as before when they write.
    Memory that is hardly used stays as it is: a large page is whole.
    """
    with contextlib.suppress(OSError):
        for start, end in _used_memory():
            for page in range(start + -start % _LARGE_PAGE, end - _LARGE_PAGE + 1, _LARGE_PAGE):
                _libc.madvise(ctypes.c_void_p(page), ctypes.c_size_t(_LARGE_PAGE), _MADV_COLLAPSE)


def _used_memory():
    """Yield the ranges of this process's own memory that it uses almost whole (proc(5), smaps)."""
    with open("/proc/self/smaps", encoding="ascii", errors="replace") as file:
        lines = file.read().splitlines()
    start = end = 0
    for line in lines:
        name, *words = line.split()
        if name == "Rss:" and int(words[0]) << 10 > 0.9 * (end - start):
            yield start, end
        elif not name.endswith(":"):
            start, end = (int(address, 16) for address in name.split("-"))
            if words[0] != "rw-p" or words[3] != "0":  # shared, or of a file
                start = end = 0


@contextlib.contextmanager
def _asked_for_shell():
    """Note which packages call ``get_ipython`` while this process has no shell, as children will."""
    from IPython.core.interactiveshell import InteractiveShell

    askers = set()
    if InteractiveShell.initialized():
        yield askers
        return

    def is_initialized():
        frame = sys._getframe(1)
        while frame and frame.f_globals.get("__name__", "").partition(".")[0] in ("IPython", "traitlets"):
            frame = frame.f_back
        askers.add(frame.f_globals.get("__name__", "").partition(".")[0] if frame else "")
        return False

    InteractiveShell.initialized = is_initialized
    try:
        yield askers
    finally:
        del InteractiveShell.initialized


@contextlib.contextmanager
def _printed():
    """Hold back what is printed; the value tells whether something was."""
    file = os.memfd_create("packmill-printed", os.MFD_CLOEXEC)
    before = [(number, os.dup(number)) for number in (1, 2)]
    for number, _ in before:
        os.dup2(file, number)

    def is_written():
        sys.stdout.flush()
        sys.stderr.flush()
        _libc.fflush(None)
        return os.fstat(file).st_size > 0

    try:
        yield is_written
    finally:
        is_written()
        for number, copy in before:
            os.dup2(copy, number)
            os.close(copy)
        os.close(file)


def _list_threads():
    return [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]


def _kill_group(pid):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _kill(pid):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.path.pop(0)
    sys.path += sys.argv[3:]
    packmill_child.environment += sys.argv[3:]
    main(sys.argv[1], int(sys.argv[2]))
