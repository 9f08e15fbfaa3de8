"""``packmill-runner serve``: notebooks over HTTP: one application, a module per protocol, over runs.

In an image, the server and the packages that it alone needs are a layer of their own, which no other command loads.
"""

import sys

if sys.prefix == "/opt/packmill":
    sys.path.append("/opt/packmill/server/lib")
