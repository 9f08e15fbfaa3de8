"""The Jupyter Kernel Gateway itself, in its mode jupyter-websocket, with packmill's kernels, limits and access checks.

https://jupyter-kernel-gateway.readthedocs.io/en/latest/websocket-mode.html; its packages are the extra ``gateway``, and
in an image a layer of its own, which no other command loads.
"""

import sys

if sys.prefix == "/opt/packmill":
    sys.path.append("/opt/packmill/gateway/lib")
