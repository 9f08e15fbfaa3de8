"""Start ipykernel in a Python that lacks it: the packages next to this file come last on the path."""

import os
import sys

sys.path.pop(0)
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))

try:
    import packmill_kernel  # noqa: F401 - the runner's faster start, if the runner starts the kernel
except ImportError:
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
