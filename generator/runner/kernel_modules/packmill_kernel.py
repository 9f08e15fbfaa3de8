"""Start ipykernel quickly: modules that a run rarely uses are loaded on first use.

ipykernel's debugger costs a tenth of a second and 9 MB; of jupyter_client a kernel needs two modules, which are less
than half of what importing it costs. ``import debugpy`` and ``import jupyter_client`` in a notebook work as usual.
Modules loaded here live as long as the process, so the garbage collector ignores them.
"""

import contextlib
import datetime
import errno
import gc
import importlib
import logging
import os
import sys
import types
import warnings

from packmill_files import flush_open_files
from packmill_iopub import publish_without_limit
from packmill_later import put_off

_WARM_UP = "from IPython.display import HTML, display\ndisplay(HTML(''))\n1"


def write_connection_file(*arguments, **options):
    """Stand in for jupyter_client's function, which ipykernel imports from the package."""
    from jupyter_client.connect import write_connection_file as write

    return write(*arguments, **options)


def isoparse(text):
    """Stand in for dateutil's function, with which jupyter_client parses the time of each message."""
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return importlib.import_module("dateutil.parser.isoparser").isoparse(text)


def is_relevant(record):
    """Check whether a log record is about more than the kernel's own shutdown, when its sockets are closed."""
    error = record.exc_info[1] if record.exc_info else None
    if getattr(error, "errno", None) == errno.ENOTSOCK:
        return False
    return not str(record.msg).startswith("Got events for closed stream")


def unraisable_hook(unraisable):
    """Print an exception that cannot be raised, unless it comes from a coroutine that ipykernel dropped at its end."""
    code = getattr(unraisable.object, "cr_code", None)
    if code is None or f"{os.sep}ipykernel{os.sep}" not in code.co_filename:
        sys.__unraisablehook__(unraisable)


def make_application(arguments):
    """Initialize a kernel whose command line is ``arguments``, such as ``-f connection.json``."""
    # IPython's history would store every cell in the user's home, including injected secrets.
    application = kernelapp.IPKernelApp.instance(log_level=logging.CRITICAL)  # no advice for people at a terminal
    application.initialize([*arguments, "--HistoryManager.enabled=False"])
    quiet(application)
    return application


def make_shell():
    """Make the shell that forked kernels take over: half of what a kernel costs."""
    from ipykernel.compiler import XCachingCompiler
    from ipykernel.zmqshell import ZMQInteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    ZMQInteractiveShell.instance(config=config, compiler_class=XCachingCompiler)


def make_forked_application(connection_file):
    """Initialize a kernel in a child of a process that called `make_shell`; without a command line and settings."""
    application = kernelapp.IPKernelApp.instance(log_level=logging.CRITICAL, connection_file=connection_file)
    application.parse_command_line = application.load_config_file = lambda *_, **__: None
    application.initialize([])
    application.shell.parent = application.shell.kernel = application.kernel
    application.kernel.set_trait("user_ns", application.shell.user_ns)
    quiet(application)
    return application


def quiet(application):
    """Do not report what only happens at the kernel's end."""
    application.log.addFilter(is_relevant)
    logging.getLogger("tornado.general").addFilter(is_relevant)
    # A request that arrives during the shutdown is dropped before its coroutine starts.
    warnings.filterwarnings("ignore", message=r"coroutine 'Kernel\..*' was never awaited", category=RuntimeWarning)
    sys.unraisablehook = unraisable_hook


def let_people_type(application):
    """Let ``breakpoint`` and pdb work, which wait for input."""
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = sys.__breakpointhook__
    init_pdb(application)


def rehearse():
    """Initialize a kernel and run a cell, to learn which modules that loads."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        application = make_forked_application(os.path.join(folder, "connection.json"))
        application.shell.run_cell(_WARM_UP, store_history=True)


def print_to(log):
    """Send output outside of the kernel's channels to a descriptor; ipykernel captures 1 and 2."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        copy = getattr(stream, "_original_stdstream_copy", None)
        os.dup2(log, number if copy is None else copy)


def main(arguments):
    """Start a kernel whose command line is ``arguments``, and run it until it is shut down."""
    gc.disable()
    application = make_application(arguments)
    gc.freeze()
    gc.enable()
    run(application)


def run(application):
    """Serve requests until the kernel is shut down, and flush open files."""
    application.start()
    # After a shutdown request this thread still flushes the output streams. ipykernel 7.4 stops the thread behind them
    # first, and waits then for a flush that nobody does: five seconds in one run of twelve.
    if application.control_thread:
        application.control_thread.stop()
        application.control_thread.join(5)
    # ipykernel's threads may still send on closed sockets, and drop tasks that they no longer start.
    for name in ("asyncio", "tornado.general", "tornado.application"):
        logging.getLogger(name).disabled = True
    logging.raiseExceptions = False
    flush_open_files()


gc.disable()
if __name__ == "__main__" and sys.path and sys.path[0] == os.path.dirname(__file__):  # noqa: PTH120 - pathlib is slow
    sys.path.pop(0)
put_off("dateutil.parser", isoparse=isoparse)
put_off("jupyter_client", write_connection_file=write_connection_file)
sys.modules["debugpy"] = None
with contextlib.suppress(ImportError):
    import ipykernel.debugger  # noqa: F401
del sys.modules["debugpy"]
from ipykernel import kernelapp, kernelbase  # noqa: E402

for name, stand_in in (("dateutil.parser", "isoparse"), ("jupyter_client", "write_connection_file")):
    vars(sys.modules.get(name, types)).pop(stand_in, None)  # ipykernel has them; a notebook gets the real ones
kernelbase._psutil_import_attempted = True  # only for front ends that show a kernel's load
publish_without_limit(kernelapp.IPKernelApp)
init_pdb = kernelapp.IPKernelApp.init_pdb
kernelapp.IPKernelApp.init_pdb = lambda app: None  # noqa: ARG005 - nobody can type
if "PYTHONBREAKPOINT" not in os.environ:
    sys.breakpointhook = lambda *arguments, **options: None  # noqa: ARG005 - nobody can type
gc.enable()
if __name__ == "__main__":
    main(sys.argv[1:])
