"""Start ipykernel in a Python that lacks it: the packages next to this file come last on the path."""

import os
import sys

sys.path.pop(0)
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))

try:
    from packmill_kernel import main  # the runner's faster start, if the runner starts the kernel
except ImportError:
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
else:
    main(sys.argv[1:])
