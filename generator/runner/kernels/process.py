"""A kernel's process: start, interrupt, and end it in bounded time."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from generator.runner.kernels.specs import Kernel

modules_folder = Path(__file__).parents[1] / "kernel_modules"
"""Folder on the path of Python kernels; holds ``glue``."""
_lean_start = modules_folder / "packmill_kernel.py"
_SOCKET_PATH_LIMIT = 107
"""unix(7): sun_path has 108 bytes, the last one a zero."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """Where a kernel listens, as in its connection file (Jupyter's messaging, "Connection files")."""

    transport: str
    ip: str
    ports: Mapping[str, int]
    key: str

    def address(self, channel: str) -> str:
        """Return the address of one of ``shell``, ``iopub``, ``stdin``, ``control``, ``hb``."""
        between = "-" if self.transport == "ipc" else ":"
        return f"{self.transport}://{self.ip}{between}{self.ports[channel]}"

    def text(self, kernel: str) -> str:
        """Return the connection file's text."""
        ports = {f"{channel}_port": port for channel, port in self.ports.items()}
        document = {"transport": self.transport, "ip": self.ip, "key": self.key, "kernel_name": kernel, **ports}
        return json.dumps({**document, "signature_scheme": "hmac-sha256"})


_CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


def transport_of(kernel: Kernel, runtime: Path) -> str:
    """Return ``ipc`` for a kernel that takes private Unix sockets, if their paths are short enough, else ``tcp``."""
    fits = len(os.fsencode(str(runtime / "kernel"))) + 2 <= _SOCKET_PATH_LIMIT
    return "ipc" if _takes_ipc(kernel.argv) and fits else "tcp"


def new_connection(kernel: Kernel, runtime: Path) -> Connection:
    """Choose a kernel's addresses: private Unix sockets if the kernel takes them, else signed TCP."""
    sockets = str(runtime / "kernel")
    if transport_of(kernel, runtime) == "ipc":
        ports = {channel: number for number, channel in enumerate(_CHANNELS, start=1)}
        return Connection(transport="ipc", ip=sockets, ports=ports, key="")  # the folder's permissions replace a key
    from generator.runner.kernels.ports import free_ports  # which few kernels need

    return Connection(transport="tcp", ip="127.0.0.1", ports=free_ports(_CHANNELS), key=os.urandom(16).hex())


def write_connection_file(connection: Connection, kernel: Kernel, folder: Path) -> Path:
    """Write the connection file of a kernel into a private folder and return its path."""
    file = folder / "connection.json"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(connection.text(kernel.name))
    return file


_IPC_MODULES = frozenset(
    ("ipykernel", "ipykernel_launcher", "bash_kernel", "octave_kernel", "calysto_scheme", "gnuplot_kernel")
)


def _takes_ipc(argv: tuple[str, ...]) -> bool:
    """Check whether a kernel's command accepts Unix sockets of any length; few kernels outside of ipykernel do."""
    return any(word in _IPC_MODULES or re.search(r"\bipykernel\b", word) for word in argv)


_PR_SET_PDEATHSIG = 1


def _ending_with_parent() -> Callable[[], None]:
    """Return what a new process calls to be killed when the thread that started it ends (prctl(2))."""
    import ctypes

    libc = ctypes.CDLL(None)

    def end_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return end_with_parent


_TERMINATE_TIMEOUT = 0.2
"""Seconds between SIGTERM and SIGKILL."""
_STRAYS_TIMEOUT = 2.0
"""Seconds in which processes that a run left behind are looked for and killed, as they may start others meanwhile."""
_LONGEST_WAIT = 1e6
"""Seconds of one wait, as poll(2) takes milliseconds in 31 bits."""
_MARK = "PACKMILL_KERNEL"
"""The variable by which processes of a kernel that left its group are recognized."""


class KernelProcess:
    """A started kernel."""

    def __init__(
        self,
        kernel: Kernel,
        *,
        connection: Connection,
        runtime: Path,
        cwd: Path,
        log: int | None,
        environment: Mapping[str, str] | None = None,
        ends_with_parent: bool = False,
    ) -> None:
        """Start the kernel; output outside its channels goes to the file descriptor ``log``, else to stderr.

        ``environment`` replaces that of `build_environment`. With ``ends_with_parent``, the kernel is killed when the
        thread that started it ends, also by a signal; and `end` kills what the kernel started outside its group, too.

        Raises:
            OSError: the kernel's program cannot be started.
        """
        self.kernel = kernel
        self.connection = connection
        file = write_connection_file(connection, kernel, runtime)
        self.peak_memory: int | None = None
        self._ended = False
        command = _build_command(kernel, file)
        self.keeps_output = str(_lean_start) in command
        """Whether the kernel keeps all output until it is read."""
        mark = {_MARK: os.urandom(16).hex()} if ends_with_parent else {}
        self._mark = "".join(f"{name}={value}" for name, value in mark.items())
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**(environment or build_environment(kernel)), **mark},
            stdin=subprocess.DEVNULL,
            stdout=2 if log is None else log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_ending_with_parent() if ends_with_parent else None,  # noqa: PLW1509 - one call to the C library
        )
        self.fileno = open_pidfd(self._process.pid)

    @property
    def process_id(self) -> int:
        """The kernel's process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return the exit code; None while the process runs, negative after a signal."""
        self._reap(os.WNOHANG)
        return self._process.returncode

    def interrupt(self) -> None:
        """Send SIGINT to the kernel and its children."""
        self._signal(signal.SIGINT)

    def end(self) -> None:
        """Send SIGTERM if the kernel still runs, then SIGKILL to its process group, and set ``peak_memory`` (bytes)."""
        if self._ended:
            return
        self._ended = True
        if not self._ends_within(0):
            self._signal(signal.SIGTERM)
            self._ends_within(_TERMINATE_TIMEOUT)
        self._signal(signal.SIGKILL)
        self._reap(0)
        if self._mark:
            _kill_strays(self._mark)
        if self.fileno is not None:
            os.close(self.fileno)
            self.fileno = None

    def _ends_within(self, seconds: float) -> bool:
        if self._process.returncode is not None:
            return True
        if self.fileno is not None:
            return is_readable(self.fileno, seconds)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.exit_code() is None:
            time.sleep(0.005)
        return self.exit_code() is not None

    def _reap(self, options: int) -> None:
        """Collect exit code and peak memory, once (wait4(2), getrusage(2): ru_maxrss in kB)."""
        if self._process.returncode is not None:
            return
        pid, status, usage = os.wait4(self._process.pid, options)
        if pid:
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self.peak_memory = usage.ru_maxrss * 1024

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _kill_strays(mark: str) -> None:
    """Kill the processes that have a variable in the environment in which they started, and are in this control group.

    Others only inherited it: a job of Slurm or a service that the notebook asked for is in a group of its own.
    """
    deadline = time.monotonic() + _STRAYS_TIMEOUT
    while (strays := _processes_with(mark.encode())) and time.monotonic() < deadline:
        for pid in strays:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _processes_with(mark: bytes) -> list[int]:
    found = []
    own = _control_groups(Path("/proc/self"))
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if mark in (process / "environ").read_bytes().split(b"\0") and _control_groups(process) == own:
                found.append(int(process.name))
    return found


def _control_groups(process: Path) -> bytes:
    """Return the control groups of a process (cgroups(7)); empty where Linux has none."""
    try:
        return (process / "cgroup").read_bytes()
    except FileNotFoundError:
        return b""


def open_pidfd(pid: int) -> int | None:
    """Open a file descriptor that becomes readable when the process exits; None where unsupported."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # Linux before 5.3, other systems, strict seccomp profiles
        return None


def is_readable(descriptor: int, seconds: float | None) -> bool:
    """Wait until something can be read, at most for ``seconds``; return whether it can.

    `select.select` takes no descriptor above 1023, and a server has thousands.
    """
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(None if seconds is None else math.ceil(1000 * min(max(0, seconds), _LONGEST_WAIT))))


def _build_command(kernel: Kernel, connection_file: Path) -> list[str]:
    argv = list(kernel.argv)
    for module in ("ipykernel_launcher", "ipykernel"):
        at = argv.index(module) if ("-m", module) in itertools.pairwise(argv) else 0
        isolated = any(re.match(r"-[IEPs]", word) for word in argv[1:at])  # an isolated Python ignores PYTHONPATH
        if at and not isolated:
            argv[at - 1 : at + 1] = [str(_lean_start)]
            argv = [word for word in argv if word != "-Xfrozen_modules=off"]  # only for the debugger
    words = {"{connection_file}": str(connection_file), "{resource_dir}": str(kernel.folder)}
    for word, meaning in words.items():
        argv = [part.replace(word, meaning) for part in argv]
    return argv


def build_environment(kernel: Kernel, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a kernel's process; its PYTHONPATH makes ``from packmill import glue`` work.

    ipykernel exits when its parent, ``JPY_PARENT_PID``, does. ``base`` replaces this process's environment.
    """
    environment = {**(os.environ if base is None else base), "JPY_PARENT_PID": str(os.getpid())}
    environment.update({name: _expand(value) for name, value in kernel.environment})
    if kernel.language.lower() == "python":
        path = (environment.get("PYTHONPATH"), str(modules_folder))
        environment["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    return environment


def _expand(value: str) -> str:
    """Expand ``${NAME}`` in a kernelspec's ``env`` (jupyter_client, "Kernel specs")."""
    return os.path.expandvars(value)
