"""A notebook's cells in an IPython shell without the kernel protocol, in a child of a prepared process.

Requests are ``{"id": ..., "code": ...}``. Answers have the kinds and contents of Jupyter's messaging protocol
(``display_data``, ``execute_result``, ``error``, ``status``, ``execute_reply``). Text is written to the files behind
descriptors 1 and 2, as C libraries and programs do; ``written`` in each message is how much the files had before it.
After some megabytes of text a message with ``"confirm": true`` asks for ``{"confirmed": true}``, so that the reader is
not left behind.
"""

import contextlib
import os
import sys
import tempfile
import zlib

from IPython.core import page
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from packmill_channel import Channel, Nothing, Stream
from traitlets.config import Config

_WARM_UP = "from IPython.display import HTML as _h, display as _d; _d(_h('')); del _d, _h; 1"
"""Loads IPython's own lazy imports; uses nothing of the notebook's libraries."""
_WARM_UPS = 30
"""Python specializes functions that ran some times (PEP 659); otherwise each child would do it, in pages of its own."""


def make_shell():
    """Make the shell that children inherit, in the prepared process."""
    shell = ZMQInteractiveShell.instance(
        config=_config(), display_pub_class=_Publisher, displayhook_class=_Hook, compiler_class=_Compiler
    )
    shell.channel = Nothing()
    names = dict(shell.user_ns)
    for _ in range(_WARM_UPS):
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
    shell.channel = channel = Channel(connection, files)
    sys.stdout, sys.stderr = Stream(channel, 0), Stream(channel, 1)
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = lambda *arguments, **options: None  # noqa: ARG005 - nobody can type
    while (request := channel.receive()) is not None:
        channel.current = request["id"]
        channel.send("status", {"execution_state": "busy"})
        channel.send("execute_reply", _execute(shell, request["code"]))
        channel.send("status", {"execution_state": "idle"})
        if shell.exit_requested:
            break
    shell.is_ending = True


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
    is_ending = False

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

    def reset(self, new_session=True, aggressive=False):  # noqa: FBT002 - IPython's signature
        """Release the notebook's objects; at the end of the process, without the start of another session."""
        if not self.is_ending:
            super().reset(new_session, aggressive)
            return
        self.last_execution_result = None
        self.displayhook.flush()
        for name in self.user_ns.keys() - {"__builtin__", "__builtins__", "__name__"}:
            del self.user_ns[name]
        self.user_ns_hidden.clear()

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


def _config():
    config = Config()
    config.HistoryManager.enabled = False  # it would store every cell in the user's home, and needs a thread
    config.IPKernelApp.quiet = True  # libraries look for this section to recognize a notebook
    return config
