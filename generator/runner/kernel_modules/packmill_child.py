"""A child of a prepared process: a kernel, or a shell without the kernel protocol, for one run or for HTTP requests.

Its channel is a Unix socket of type SOCK_STREAM; each message is a JSON object after its length (4 bytes, big endian).
The child may be forked ahead of its run. It starts with the request ``{"directory": d, "environment": {name: value or
null}, "report": bool}``, whose length comes with the descriptors [log], for a shell [log, stdout, stderr]. With
``report``, its last message is ``{"report": {"modules": [...], "local": [...]}}``: the modules that the notebook loaded
from the environment, and the names of those in its own folder.
"""

import atexit
import contextlib
import ctypes
import importlib
import json
import os
import signal
import socket
import struct
import sys
import threading
import traceback
import weakref

_PR_SET_PDEATHSIG = 1
_CLOSED_BY_C = {"h5py", "netCDF4", "tables"}
"""Modules whose C libraries write open files at the process's end."""
_OF_SESSIONS = {"IPython", "ipykernel", "matplotlib_inline", "debugpy", "antigravity", "this", "idlelib", "__main__"}
"""Packages that must be imported in a run: they look at its session, or print."""
environment = [sys.prefix, sys.base_prefix]
"""The folders of installed packages."""
_libc = ctypes.CDLL(None, use_errno=True)


def prepare(kind):
    """Load what children of a kind need, in the prepared process."""
    import packmill_files  # noqa: F401

    import packmill  # noqa: F401

    if kind in ("shell", "handlers"):
        import packmill_shell

        packmill_shell.make_shell()
        if kind == "handlers":
            import packmill_handlers  # noqa: F401
    else:
        import packmill_kernel

        packmill_kernel.make_shell()
        for name in _modules_of(packmill_kernel.rehearse):
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def live(kind, request, channel, foreign, parent):
    """Be one run's process until its end."""
    try:
        _leave_parent(foreign, parent)
        connection = socket.socket(fileno=channel)
        {"kernel": _be_kernel, "shell": _be_shell, "handlers": _be_handlers}[kind](request, connection)
    except BaseException:  # noqa: BLE001 - never return to the parent's loop
        traceback.print_exc()
        _libc.fflush(None)
    os._exit(1)


def list_strays(known):
    """Return the children that the calling process adopted, except those of runs that go on, whose processes are known.

    Each run has a session of its own, which no process of another run can enter.
    """
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            adopted = {int(word) for word in file.read().split()} - set(known)
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return set()
    return {pid for pid in adopted if _session_of(pid) not in known}


def _session_of(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _be_kernel(request, connection):
    """Run ipykernel until it is shut down."""
    import packmill_kernel

    application = packmill_kernel.make_forked_application(request["connection_file"])
    start = _start_run(connection)
    packmill_kernel.print_to(*start["descriptors"])
    if start["interactive"]:
        packmill_kernel.let_people_type(application)
    before = set(sys.modules) if start["report"] else None
    packmill_kernel.run(application)
    _finish(connection, before, start["directory"])


def _be_shell(_request, connection):
    """Run cells until the channel closes."""
    import packmill_shell

    _search_working_directory()
    start = _start_run(connection)
    _, *files = start["descriptors"]
    for number, file in zip((1, 2), files):  # noqa: B905 - Python 3.9
        os.dup2(file, number)
    before = set(sys.modules) if start["report"] else None
    packmill_shell.serve(connection, files)
    _finish(connection, before, start["directory"])


def _search_working_directory():
    """Search the notebook's folder for modules where a kernel does (`IPython.core.shellapp`)."""
    if "" not in sys.path and not getattr(sys.flags, "safe_path", False):
        packages = ("site-packages", "dist-packages")
        found = (index for index, folder in enumerate(sys.path) if folder.rpartition(os.sep)[2] in packages)
        sys.path.insert(next(found, 0), "")


def _be_handlers(request, connection):
    """Run handlers of HTTP requests until the channel closes."""
    import packmill_handlers

    if request.get("forked"):
        packmill_handlers.leave_seed()
    else:
        _search_working_directory()
        log, *_ = _start_run(connection)["descriptors"]
        os.dup2(log, 2)
    packmill_handlers.serve(connection)
    _finish(connection, None, "")


def _leave_parent(foreign, parent):
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
    if "multiprocessing.resource_tracker" in loaded:
        loaded["multiprocessing.resource_tracker"]._resource_tracker.__init__()


def _start_run(connection):
    """Wait for the run, and take its directory, environment and standard streams."""
    head, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    if len(head) < 4:
        os._exit(0)  # not needed
    length = struct.unpack(">I", head)[0]
    with connection.makefile("rb", buffering=0) as stream:
        data = b""
        while len(data) < length and (part := stream.read(length - len(data))):
            data += part
    start = json.loads(data)
    start["descriptors"] = descriptors
    start["directory"] = os.path.realpath(start["directory"])
    os.chdir(start["directory"])
    if "multiprocessing.process" in sys.modules:  # its new interpreters search this folder for modules
        sys.modules["multiprocessing.process"].ORIGINAL_DIR = start["directory"]
    for name, value in start["environment"].items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    _move_profile()
    return start


def _move_profile():
    """Let IPython store what ``%store`` keeps in the run's own folder."""
    from IPython.core.interactiveshell import InteractiveShell

    folder = os.environ.get("IPYTHONDIR") or os.path.join(os.environ.get("HOME", "/"), ".ipython")
    profile = InteractiveShell.instance().profile_dir
    profile._trait_values["location"] = os.path.join(folder, "profile_default")  # without making it


def send(connection, message):
    """Send one message."""
    data = json.dumps(message).encode()
    connection.sendall(struct.pack(">I", len(data)) + data)


def _finish(connection, before, directory):
    """End the child as an interpreter ends, without the cost of freeing all objects."""
    from packmill_files import flush_open_files

    flush_open_files()
    if before is not None:
        with contextlib.suppress(OSError):
            send(connection, {"report": report(before, directory)})
    threading._shutdown()  # waits for threads that are not daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    flush_open_files()
    if any(name in sys.modules for name in _CLOSED_BY_C):  # a set of all would copy the pages of all names
        _libc.exit(0)
    _libc.fflush(None)
    os._exit(0)


def report(before, directory):
    """List modules of the environment in the order of their import, and names of those in the notebook's folder."""
    prefixes = tuple(os.path.realpath(folder) + os.sep for folder in environment)
    modules, local = [], set()
    for name, module in list(sys.modules.items()):
        package = name.partition(".")[0]
        if name in before or package in _OF_SESSIONS or package.startswith(("packmill", "_pydev", "pydev")):
            continue
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        file = getattr(module, "__file__", None)
        if origin in ("built-in", "frozen") or (file and os.path.realpath(file).startswith(prefixes)):
            modules.append(name)
        elif file and os.path.realpath(file).startswith(directory + os.sep):
            local.add(package)
    return {"modules": [name for name in modules if name.partition(".")[0] not in local], "local": sorted(local)}


def describe_language():
    """Return ``language_info`` of a kernel (Jupyter's messaging, "Kernel info")."""
    return {
        "name": "python",
        "version": sys.version.split()[0],
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    }


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
