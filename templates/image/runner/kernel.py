"""Starts ipykernel in a Python that does not have it: the packages beside this file are looked at last."""

import os
import sys

sys.path.pop(0)
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))

try:
    import packmill_kernel  # noqa: F401 - the runner's quicker start, when it is the runner that starts it
except ImportError:
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
