"""Starts ipykernel quickly: whatever a run does not use is left unloaded until someone asks for it.

ipykernel's debugger costs a tenth of a second and 9 MB; of jupyter_client a kernel needs two modules, which are less
than half of what importing it costs. ``import debugpy`` and ``import jupyter_client`` in a notebook work as ever. What
is loaded here lives as long as the process, so the garbage collector need not look at it.
"""

import contextlib
import datetime
import errno
import gc
import importlib
import io
import logging
import os
import sys
import types

from packmill_later import put_off


def write_connection_file(*arguments, **options):
    """jupyter_client's, which ipykernel takes from the package's front."""
    from jupyter_client.connect import write_connection_file as write

    return write(*arguments, **options)


def isoparse(text):
    """dateutil's, which jupyter_client reads the time of each message with."""
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return importlib.import_module("dateutil.parser.isoparser").isoparse(text)


def flush_open_files():
    """Writes what a notebook left unwritten, before anything that does not end can keep the interpreter from it."""
    for found in gc.get_objects():
        if isinstance(found, io.IOBase):
            with contextlib.suppress(Exception):
                found.flush()


def is_heard(record):
    """Whether a line of the log is for anyone: a runner that has gone waits for no answer on a closed socket."""
    error = record.exc_info[1] if record.exc_info else None
    return getattr(error, "errno", None) != errno.ENOTSOCK


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
kernelbase._psutil_import_attempted = True  # asked for by front ends that show a kernel's load
kernelapp.IPKernelApp.init_pdb = lambda app: None  # noqa: ARG005 - nobody sits in front of it
if "PYTHONBREAKPOINT" not in os.environ:
    sys.breakpointhook = lambda *arguments, **options: None  # noqa: ARG005 - for the same reason
# IPython's history would keep every cell in a file of the user's, the injected one with its secrets first.
sys.argv.append("--HistoryManager.enabled=False")
application = kernelapp.IPKernelApp.instance()
application.initialize()
application.log.addFilter(is_heard)
gc.freeze()
gc.enable()
application.start()
# ipykernel's control thread may still say "idle" on a socket that is closed by now; no one is left to hear it.
logging.getLogger("tornado.general").disabled = True
flush_open_files()
