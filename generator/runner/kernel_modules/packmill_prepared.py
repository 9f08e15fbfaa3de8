"""A prepared process: imports what notebooks import, uses none of it, and forks one child for each run.

Started as ``python packmill_prepared.py KIND FD [FOLDER]`` in the interpreter of a notebook's kernel. KIND is
``kernel``, or ``shell`` for `packmill_shell`; FOLDER, if given, comes last on the path of modules. FD is a Unix socket of
type SOCK_SEQPACKET. It takes JSON requests, with file descriptors attached (SCM_RIGHTS):

- ``{"do": "import", "modules": [...]}`` is answered with ``{"imported": n, "failed": {...}, "threads": [...]}``;
- ``{"do": "fork", "directory": d, "environment": {...}}`` with [log, report], for a kernel also ``connection_file``, for
  a shell the descriptors [..., channel, stdout, stderr], is answered with ``{"forked": pid}``;
- ``{"exited": pid, "status": wait_status, "peak_memory": bytes}`` is sent when a child ended.

A child writes ``ready`` to its report pipe and, at its end, the modules that the notebook loaded.
The process has one Python thread and no ZeroMQ context: both would break its children.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
import weakref

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LARGEST = 1 << 17
"""Bytes of one request."""
_CLOSED_BY_C = {"h5py", "netCDF4", "tables"}
"""Modules whose C libraries write open files at the process's end."""
_libc = ctypes.CDLL(None, use_errno=True)


def main(kind, descriptor):
    """Serve requests until the other side closes the socket."""
    _ready(kind)
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # processes that a run left behind end here, not at pid 1
    waking, wake = os.pipe()
    for end in (waking, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    children = set()
    while True:
        ready, _, _ = select.select([control, waking], [], [])
        if waking in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(waking, 4096)
            _reap(control, children)
        if control in ready:
            message, descriptors, _, _ = socket.recv_fds(control, _LARGEST, 8)
            if not message:
                os._exit(0)
            _answer(kind, control, json.loads(message), descriptors, children, (waking, wake))


def _answer(kind, control, request, descriptors, children, inherited):
    if request["do"] == "import":
        control.send(json.dumps(_import(request["modules"])).encode())
        return
    if threading.active_count() > 1:
        names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        control.send(json.dumps({"forked": None, "threads": names}).encode())
        for one in descriptors:
            os.close(one)
        return
    parent = os.getpid()
    child = os.fork()
    if child:
        children.add(child)
        for one in descriptors:
            os.close(one)
        control.send(json.dumps({"forked": child}).encode())
        return
    try:
        foreign = [control.fileno(), *inherited]
        control.detach()
        _become_child(parent, foreign, request, descriptors[0])
        (_be_kernel if kind == "kernel" else _be_shell)(request, *descriptors[1:])
        _finish()
    except BaseException:
        traceback.print_exc()
        _libc.fflush(None)
        os._exit(1)


def _reap(control, children):
    """Collect ended processes, and report those that were forked for a run."""
    while True:
        try:
            pid, status, usage = os.wait3(os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        if pid in children:
            children.discard(pid)
            report = {"exited": pid, "status": status, "peak_memory": usage.ru_maxrss * 1024}
            with contextlib.suppress(OSError):
                control.send(json.dumps(report).encode())


def _import(modules):
    failed = {}
    for name in modules:
        try:
            importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 - whatever a module raises: the run will show it
            failed[name] = f"{type(error).__name__}: {error}"
    gc.collect()
    gc.freeze()  # a collection in a child would copy the pages of every object
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    return {"imported": len(modules) - len(failed), "failed": failed, "threads": threads}


def _become_child(parent, foreign, request, log):
    """Undo what a fork shares and a run must not: signals, descriptors, random numbers, pools of libraries."""
    os.setsid()
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # the prepared process ended between the fork and the call
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for descriptor in foreign:
        os.close(descriptor)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.chdir(request["directory"])
    for name, value in request["environment"].items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    for finalizer in list(weakref.finalize._registry):
        finalizer.atexit = False  # such as the removal of a temporary folder of the parent
    _reseed()
    _reset_pools()


def _reseed():
    """Give the child random numbers of its own: libraries' global generators are copied by the fork."""
    loaded = sys.modules
    if "numpy.random" in loaded:
        loaded["numpy.random"].seed()
    if "torch" in loaded:
        loaded["torch"].seed()


def _reset_pools():
    """Forget pools whose threads and processes exist in the parent only."""
    loaded = sys.modules
    if "dask.threaded" in loaded:
        loaded["dask.threaded"].default_pool = None
        loaded["dask.threaded"].pools.clear()
    if "multiprocessing.util" in loaded:
        loaded["multiprocessing.util"]._run_after_forkers()
    if "multiprocessing.forkserver" in loaded:
        loaded["multiprocessing.forkserver"]._forkserver.__init__()


def _finish():
    """End the child as an interpreter ends, without the cost of freeing all objects."""
    from packmill_files import flush_open_files

    flush_open_files()
    threading._shutdown()  # waits for threads that are not daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    flush_open_files()
    if _CLOSED_BY_C & set(sys.modules):
        _libc.exit(0)
    _libc.fflush(None)
    os._exit(0)


def _ready(kind):
    if kind == "kernel":
        import packmill_kernel

        _import(_modules_of(packmill_kernel.rehearse))
    else:
        import packmill_shell

        packmill_shell.make_shell()


def _modules_of(function):
    """Return the modules that a function loads, from a child that is thrown away."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        before = set(sys.modules)
        with contextlib.suppress(BaseException):
            function()
            os.write(writing, json.dumps(sorted(set(sys.modules) - before)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as report:
        names = report.read()
    os.waitpid(child, 0)
    return json.loads(names or b"[]")


def _be_kernel(request, report):
    """Run ipykernel until it is shut down."""
    import packmill_kernel

    before = set(sys.modules)
    application = packmill_kernel.make_application(["-f", request["connection_file"]])
    os.write(report, b"ready\n")
    packmill_kernel.run(application)
    _report_modules(report, before)


def _be_shell(request, report, channel, *files):  # noqa: ARG001 - like _be_kernel
    """Run cells until the channel closes."""
    import packmill_shell

    before = set(sys.modules)
    os.write(report, b"ready\n")
    packmill_shell.serve(socket.socket(fileno=channel), files)
    _report_modules(report, before)


def _report_modules(report, before):
    with contextlib.suppress(OSError):
        os.write(report, json.dumps(sorted(set(sys.modules) - before)).encode())


if __name__ == "__main__":
    sys.path.pop(0)
    sys.path += sys.argv[3:]
    main(sys.argv[1], int(sys.argv[2]))
