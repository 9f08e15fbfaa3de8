"""How kernels start: Python ones as forks of a prepared process, the others by the commands of their kernelspecs."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from generator.runner.kernels.forked import ForkedProcess, RunPlace
from generator.runner.kernels.prepared import ForkRefusedError, PreparedProcessDiedError, UnfitError
from generator.runner.kernels.process import build_environment
from generator.runner.kernels.specs import Kernel
from generator.runner.server.kernels.forkable import why_cold
from generator.runner.server.kernels.limits import KernelLimits
from generator.runner.server.kernels.pool import PreparedPool
from generator.runner.server.kernels.stock import Recipe, Stock

_NAME = "packmill"
_KEPT = frozenset("HOME LANG LC_ALL LC_CTYPE LOGNAME PATH SHELL TERM TMPDIR TZ USER".split())
_OF_HOME = frozenset(
    "IPYTHONDIR JUPYTER_RUNTIME_DIR MPLCONFIGDIR NUMBA_CACHE_DIR XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME".split()
)
_ENDED_FIRST = "500"
"""oom_score_adj of a kernel (proc(5)): when memory runs out, Linux ends a kernel and not the server."""
_POLL = 0.05
_RECONNECTION = 0.4
"""Seconds in which clients of a kernel that ended connect to its successor (ZMQ_RECONNECT_IVL, twice 0.1 s at most).

Those whose requests arrive before they subscribe again would never see the outputs.
"""
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def use_provisioner() -> None:
    """Let `Provisioner` start the kernels of this process, unless a kernelspec names another one."""
    factory = KernelProvisionerFactory.instance()
    value = f"{Provisioner.__module__}:{Provisioner.__name__}"
    factory.provisioners[_NAME] = EntryPoint(name=_NAME, value=value, group=factory.GROUP_NAME)
    factory.default_provisioner_name = _NAME


class PreparedKernels:
    """The prepared processes of a server, one for each kernelspec of Python that was requested."""

    def __init__(self, log: Callable[[str], None], *, fork: bool) -> None:
        self._fork = fork
        self._log = log
        self._pool = PreparedPool(KernelLimits(), dict(os.environ), log)
        self._unfit: dict[Kernel, str] = {}

    def begin(self, kernel: Kernel) -> None:
        """Prepare a process in the background, if the kernel can be forked."""
        if self._is_fit(kernel, dict(os.environ)):
            self._pool.begin(kernel, "kernel")

    def fork(self, kernel: Kernel, connection_file: str, env: dict[str, str]) -> tuple[ForkedProcess, Stock] | None:
        """Fork a kernel, which listens, but does not begin; None if it cannot be forked, or is not prepared yet."""
        if not self._is_fit(kernel, env):
            return None
        self._pool.begin(kernel, "kernel")
        stock = next((one for one in self._pool.stocks if one.recipe.kernel == kernel), None)
        try:
            if stock is None or not stock.is_ready():
                return None
            return ForkedProcess(stock.process, connection_file=connection_file), stock
        except ForkRefusedError:
            return None
        except UnfitError as error:
            self._pool.forget(Recipe(kernel, "kernel"), "")
            if isinstance(error, PreparedProcessDiedError):
                return None
            self._unfit[kernel] = str(error)
            self._log(f"kernel {kernel.name!r}: cannot be forked, and starts in a process of its own: {error}")
            return None

    def _is_fit(self, kernel: Kernel, environment: dict[str, str]) -> bool:
        return self._fork and kernel not in self._unfit and not why_cold(kernel, environment)

    def note_end(self) -> None:
        """End a process that was replaced if the kernel that ended was its last one."""
        self._pool.end_retired()

    def end(self) -> None:
        """End all processes, and the kernels that were forked from them."""
        self._pool.end()


class Provisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts one kernel, and ends it with everything that it started.

    https://jupyter-client.readthedocs.io/en/stable/provisioning.html
    """

    child: ForkedProcess | None = None
    _has_started = False

    @property
    def has_process(self) -> bool:
        """Whether there is a process."""
        return self.child is not None or super().has_process

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Start the kernel in the environment and folder of ``options``."""
        manager = self.parent
        kernel = manager.parent.kernel_spec_manager.find_kernel(manager.kernel_name)
        options["env"] = kernel_environment(kernel, options["env"])
        if not await self._fork(kernel, options):
            options["preexec_fn"] = _end_with_server
            await super().launch_kernel(cmd, **options)
        self._has_started = True
        with suppress(OSError):
            Path(f"/proc/{self.pid}/oom_score_adj").write_text(_ENDED_FIRST, encoding="ascii")
        return self.connection_info

    async def _fork(self, kernel: Kernel, options: dict[str, Any]) -> bool:
        """Start the kernel as a fork; return whether that was possible."""
        forked = self.parent.parent.prepared.fork(kernel, self.parent.connection_file, options["env"])
        if forked is None:
            return False
        self.child, stock = forked
        self.pid = self.pgid = self.child.process_id
        self.cwd = options.get("cwd") or Path.cwd()
        if self._has_started:
            await asyncio.sleep(_RECONNECTION)
        changes = stock.changes(options["env"])
        self.child.begin(RunPlace(directory=Path(self.cwd), environment=changes, log=None, interactive=True))
        return True

    async def poll(self) -> int | None:
        """Return the exit code; None while the kernel runs."""
        return self.child.exit_code() if self.child else await super().poll()

    async def wait(self) -> int | None:
        """Wait for the end, also of the processes that the kernel left in its group."""
        if self.child is None:
            code: int | None = await super().wait()
        else:
            while (code := self.child.exit_code()) is None:
                await asyncio.sleep(_POLL)
            self.child.end()
            self.child = None
            self.parent.parent.prepared.note_end()
        self._kill_group()
        return code

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel's process group."""
        if self.child is None:
            await super().send_signal(signum)
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.process_id, signum)

    async def kill(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 - of the interface
        """End the kernel at once."""
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 - of the interface
        """Ask the kernel to end."""
        await self.send_signal(signal.SIGTERM)

    def _kill_group(self) -> None:
        if self.pgid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pgid, signal.SIGKILL)


def kernel_environment(kernel: Kernel, requested: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a kernel: the requested one, and where the machine keeps a user's files.

    The Kernel Gateway leaves out HOME and the language of a kernel whose request has variables.
    """
    kept = {name: value for name, value in os.environ.items() if name in _KEPT | _OF_HOME}
    return build_environment(kernel, {**kept, **requested})


def _end_with_server() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
