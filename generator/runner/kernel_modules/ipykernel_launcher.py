"""ipykernel's launcher for kernels that a wrapper script starts, found first on the path that the runner sets.

The runner starts ``python -m ipykernel_launcher`` by `packmill_kernel` instead. It does not see this command inside of
a script, which activates an environment, for example. So that no output is lost, this module adds `packmill_iopub`.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():  # as in ipykernel's own: modules there could hide others
        del sys.path[0]

    from ipykernel import kernelapp
    from packmill_iopub import publish_without_limit

    publish_without_limit(kernelapp.IPKernelApp)
    sys.argv.append("--HistoryManager.enabled=False")  # it would store injected secrets in the user's home
    kernelapp.launch_new_instance()
